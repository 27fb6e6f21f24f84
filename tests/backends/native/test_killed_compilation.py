"""A process that is killed while LLVM works leaves a folder of compiled programs that the next process can use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_models

from llmir.frontends.registry import open_runnable
from llmir.passes.pipeline import compile_numpy

IDS = [5, 17, 2, 200, 31]

RUN = """
import sys
from pathlib import Path
from llvmlite import binding
from llmir.backends.native import program_cache
from llmir.backends.native.program_cache import ProgramCache
from llmir.passes.native import compile_native
from llmir.program.program import open_program

program_cache.compiler_state = lambda: "unchanged"  # sources may change while tests run

def telling(kind, name):
    call = getattr(kind, name)
    def told(*arguments):
        print("into", name, flush=True)
        result = call(*arguments)
        print("out of", name, flush=True)
        return result
    setattr(kind, name, told)

telling(binding.ModulePassManager, "run")
telling(binding.TargetMachine, "emit_object")
program, cache = open_program(Path(sys.argv[1])), ProgramCache(Path(sys.argv[2]))
with compile_native(program.module, program.weights, threads=2, cache=cache) as session:
    print(session.logits([int(id) for id in sys.argv[3].split(",")]).argmax(1).tolist())
"""
KILLED = [("run", 0.02), ("emit_object", 0), ("emit_object", 0.05)]
"""What of LLVM a process is in when it is killed, and for how many seconds; all of it takes several times as long."""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")
def test_a_process_killed_in_llvm_leaves_a_working_folder(tmp_path: Path) -> None:
    """Again and again, in different places: nothing is kept of a program that was not compiled to its end."""
    tiny_models.huggingface_folder(tmp_path / "hf", tiny_models.config_of(num_hidden_layers=1))
    opened = open_runnable(str(tmp_path / "hf"))
    opened.save(tmp_path / "program")
    expected = compile_numpy(opened.module, opened.weights).logits(IDS).argmax(1).tolist()
    cache = tmp_path / "cache"
    arguments = [sys.executable, "-c", RUN, str(tmp_path / "program"), str(cache), ",".join(map(str, IDS))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for function, seconds in KILLED:
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            assert f"into {function}\n" in iter(process.stdout.readline, "")
            time.sleep(seconds)
            process.kill()
            assert process.stdout.read() == "", f"the process was not in {function} any more"
        assert process.returncode == -signal.SIGKILL
        assert not list(cache.glob("*.object"))
    compiled = ["into run", "out of run", "into emit_object", "out of emit_object"]
    for told in (compiled, []):  # the second process finds what the first one kept
        done = subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=120)
        assert (done.stderr, done.stdout.splitlines()) == ("", [*told, str(expected)])
