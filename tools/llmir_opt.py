"""llmir-opt: reads MLIR text, runs passes, prints MLIR text or what a target makes of it."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import IO, Any, NoReturn, cast

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass, PassPipeline
from xdsl.printer import Printer
from xdsl.utils.exceptions import ParseError, ShrinkException
from xdsl.utils.target import Target
from xdsl.xdsl_opt_main import VersionAction, xDSLOptMain

from llmir import __version__
from llmir.errors import UsageError
from llmir.passes.pipeline_text import (
    construct,
    options_of,
    parse_element,
    parse_pipeline,
    suggestion,
    type_text,
    value_text,
)
from llmir.universe import UNIVERSE

SEPARATOR = re.compile(rb"^// -----.*$", re.MULTILINE)
"""Between the chunks of a file, for --split-input-file."""

EPILOG = """\
Every pass is also a flag: --NAME or --NAME="option=value ...". A module's weights are read from the
safetensors file its attribute llm.weights names. Exit status: 0 success, 1 bad input, 2 bad command line."""


class _ArgumentParser(argparse.ArgumentParser):
    """Raises UsageError where argparse prints its usage and leaves."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


class LLMIROptMain(xDSLOptMain):
    """`xdsl-opt` with LLMIR's dialects, passes, targets and weights, and with the flags of mlir-opt.

    `failures` counts the chunks of input that could not be processed; what was wrong is on stderr.
    """

    version_format = f"llmir-opt {__version__} (xDSL {{xdsl_version}})"

    def __init__(self, args: Sequence[str]):
        self.available_frontends = {}
        self.available_passes = {}
        self.available_targets = {}
        self.failures = 0
        self.running: str | None = None
        self.register_all_frontends()
        self.register_all_passes()
        self.register_all_targets()
        self.args = self._parse_arguments(args)
        if self.args.list_passes is None:
            self._set_up()

    def _set_up(self) -> None:
        """What takes time and --version and --help can do without."""
        from llmir.program.context import LLMContext

        self.context = self.ctx = LLMContext(allow_unregistered=self.args.allow_unregistered_dialect)
        self.register_all_dialects()
        self.target = self._make_target()
        self.setup_pipeline()

    # -- registration: xDSL finds ours itself where LLMIR is installed; otherwise they are added here --

    def register_all_dialects(self) -> None:
        """Every dialect of the environment, loaded when first used."""
        super().register_all_dialects()
        for name, factory in UNIVERSE.all_dialects.items():
            if name not in self.ctx.registered_dialect_names:
                self.ctx.register_dialect(name, factory)

    def register_all_passes(self) -> None:
        """Every pass of the environment, imported when first used."""
        super().register_all_passes()
        for name, factory in UNIVERSE.all_passes.items():
            self.available_passes.setdefault(name, factory)

    def register_all_targets(self) -> None:
        """Every target of the environment, imported when first used."""
        super().register_all_targets()
        for name, factory in UNIVERSE.all_targets.items():
            self.available_targets.setdefault(name, factory)

    def register_all_frontends(self) -> None:
        """MLIR text, read with `LLMParser`."""

        def parse_mlir(stream: IO[bytes]) -> ModuleOp:
            from llmir.dialects.parser import LLMParser

            name = self.get_input_name()
            try:
                text = stream.read().decode()
            except UnicodeDecodeError as e:
                raise ValueError(f"{name}: not MLIR text, byte {e.start} is not UTF-8") from e
            try:
                return LLMParser(self.ctx, text, name).parse_module(not self.args.no_implicit_module)
            except RecursionError as e:
                raise ValueError(f"{name}: nested too deeply") from e

        self.available_frontends["mlir"] = parse_mlir

    # -- command line --

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        """xDSL's arguments, mlir-opt's names for some of them, and our own."""
        super().register_all_arguments(arg_parser)
        add = arg_parser.add_argument
        add("-v", "--version", action=VersionAction, version_format=self.version_format)
        add("-p", "--passes", default="", metavar="PIPELINE", help="passes, as in a{x=1 y=b},c")
        add(
            "--pass-pipeline",
            metavar="PIPELINE",
            help="the same in mlir-opt's form: builtin.module(a{x=1},c)",
        )
        add("-t", "--target", default="mlir", help=f"one of {', '.join(self.available_targets)}")
        add(
            "--list-passes",
            nargs="?",
            const="",
            metavar="PREFIX",
            help="list LLMIR's passes, or all whose names start with PREFIX, and stop",
        )
        add(
            "--weights-output",
            metavar="FILE",
            help="write the weights to a safetensors file after the passes",
        )
        for names, about in {
            ("--print-ir-after-all", "--mlir-print-ir-after-all", "--print-between-passes"): (
                "print the IR after each pass, to stderr"
            ),
            ("--time-passes", "--mlir-timing"): "print the time each pass took, to stderr",
            ("--print-op-generic", "--mlir-print-op-generic"): "print operations in the generic form",
            ("--print-debuginfo", "--mlir-print-debuginfo"): "print locations",
        }.items():
            add(*names, action="store_true", help=about)

    def _parse_arguments(self, args: Sequence[str]) -> argparse.Namespace:
        parser = _ArgumentParser(
            "llmir-opt",
            description=__doc__,
            epilog=EPILOG,
            allow_abbrev=False,
            conflict_handler="resolve",
        )
        self.register_all_arguments(parser)
        options = [o for action in parser._actions for o in action.option_strings]  # pyright: ignore[reportPrivateUsage]
        rest, flags = self._take_pass_flags(args)
        namespace, unknown = parser.parse_known_args(rest)
        if unknown:
            known = [*options, *(f"--{name}" for name in self.available_passes)]
            raise UsageError(f"unknown argument '{unknown[0]}'{suggestion(unknown[0], known)}")
        given = [text for text in (namespace.passes, namespace.pass_pipeline, ",".join(flags)) if text]
        if len(given) > 1:
            raise UsageError("give passes in one way: with -p, with --pass-pipeline, or as flags")
        namespace.passes = given[0] if given else ""
        if namespace.input_file == "-":
            namespace.input_file = None
        if namespace.weights_output and namespace.split_input_file:
            raise UsageError("--weights-output takes one module, --split-input-file makes several")
        return namespace

    def _take_pass_flags(self, args: Sequence[str]) -> tuple[list[str], list[str]]:
        """Arguments that are not passes, and pipeline elements for `--NAME` and `--NAME=options`."""
        rest: list[str] = []
        elements: list[str] = []
        for arg in args:
            match = re.fullmatch(r"--?([\w-]+)(?:=(.*))?", arg, re.DOTALL)
            if match is None or match[1] not in self.available_passes:
                rest.append(arg)
            else:
                elements.append(f"{match[1]}{{{match[2] or ''}}}")
        return rest, elements

    def _make_target(self) -> Target:
        element = parse_element(self.args.target)
        if element.name not in self.available_targets:
            near = suggestion(element.name, self.available_targets)
            names = ", ".join(self.available_targets)
            raise UsageError(f"unknown target '{element.name}'{near or f', expected one of {names}'}")
        factory = cast("type[Any]", self.available_targets[element.name])
        target = construct(factory(), element, f"target '{element.name}'")
        if element.name != "mlir":
            return target
        return dataclasses.replace(
            target,
            print_generic_format=self.args.print_op_generic,
            print_properties_as_attributes=self.args.print_no_properties,
            print_debuginfo=self.args.print_debuginfo,
            syntax_highlight=self.args.syntax_highlight,
        )

    # -- passes --

    def setup_pipeline(self) -> None:
        """The pipeline of the command line, the IR being verified before and after each pass."""
        passes = parse_pipeline(self.args.passes, self.available_passes)
        self.pipeline = PassPipeline(passes, self._between_passes)

    def _between_passes(self, previous: ModulePass | None, module: ModuleOp, following: ModulePass | None) -> None:
        name = None if previous is None else previous.name
        if name is not None and self.args.time_passes:
            print(f"{time.perf_counter() - self.started:10.4f} s  {name}", file=sys.stderr)
        self.running = None
        if previous is not None and self.args.print_ir_after_all:
            self._print_ir(f"After {type(previous).__name__} ({name})", module)
        if not self.args.disable_verify:
            from llmir.tools.opt_diagnostics import verify

            verify(module, self.get_input_name(), name)
        self.running = None if following is None else following.name
        self.started = time.perf_counter()

    def _print_ir(self, when: str, module: ModuleOp) -> None:
        print(f"// -----// IR Dump {when} //----- //", file=sys.stderr)
        Printer(sys.stderr, print_generic_format=self.args.print_op_generic).print_op(module)
        print(file=sys.stderr)

    def list_passes(self, prefix: str) -> Iterable[str]:
        """The lines of --list-passes: name, first docstring line, and each option with type and default."""
        names = [n for n in self.available_passes if n.startswith(prefix)] if prefix else UNIVERSE.all_passes
        if not names:
            raise UsageError(f"no pass has a name that starts with '{prefix}'")
        for name in sorted(names):
            cls = self.available_passes[name]()
            about = (inspect.getdoc(cls) or "").partition("\n")[0]
            yield f"{name}\n    {about}"
            for option in options_of(cls).values():
                default = "required" if option.required else f"default {value_text(option.default)}"
                yield f"    {option.name.replace('_', '-')}: {type_text(option.type)} ({default})"

    # -- input and output --

    def get_input_name(self) -> str:
        """What messages call the input."""
        return self.args.input_file or "<stdin>"

    def prepare_input(self) -> tuple[list[tuple[IO[bytes], int]], str]:
        """The chunks of the input, each behind as many empty lines as precede it, to keep positions."""
        path = self.args.input_file
        data = sys.stdin.buffer.read() if path is None else Path(path).read_bytes()
        starts, ends = [0], [len(data)]
        if self.args.split_input_file:
            separators = list(SEPARATOR.finditer(data))
            starts += [s.end() for s in separators]
            ends = [s.start() for s in separators] + ends
        chunks: list[tuple[IO[bytes], int]] = [
            (BytesIO(b"\n" * data.count(b"\n", 0, start) + data[start:end]), 0)
            for start, end in zip(starts, ends, strict=True)
        ]
        return chunks, self.args.frontend or "mlir"

    def output_resulting_program(self, prog: ModuleOp) -> str:
        """What the target makes of the module."""
        stream = StringIO()
        self.target.emit(self.ctx, prog, stream)
        return stream.getvalue()

    def run(self) -> None:
        """Process every chunk. An output file is written only when all of them succeeded."""
        if self.args.list_passes is not None:
            sys.stdout.writelines(f"{line}\n" for line in self.list_passes(self.args.list_passes))
            return
        chunks, frontend = self.prepare_input()
        outputs = [text for chunk, _ in chunks if (text := self._process(chunk, frontend)) is not None]
        text = "// -----\n".join(outputs)
        if self.args.output_file is None:
            sys.stdout.write(text)
            sys.stdout.flush()
        elif not self.failures:
            Path(self.args.output_file).write_text(text)

    def _process(self, chunk: IO[bytes], frontend: str) -> str | None:
        """The output for one chunk, or None after reporting what is wrong with it."""
        from llmir.tools.opt_diagnostics import USER_ERRORS, describe

        self.running = None
        try:
            module = self.parse_chunk(chunk, frontend)
            assert module is not None
            self._open_weights(module)
            self.apply_passes(module)
            self._save_weights(module)
            return self.output_resulting_program(module)
        except USER_ERRORS as e:
            message = describe(e, self.running)
            expected = self.args.parsing_diagnostics if isinstance(e, ParseError) else self.args.verify_diagnostics
            if expected:
                return f"{message}\n"
            print(message, file=sys.stderr)
            self.failures += 1
            return None

    def _open_weights(self, module: ModuleOp) -> None:
        from llmir.tools.opt_weights import open_tokenizer, open_weights

        path = self.args.input_file
        folder = Path() if path is None else Path(path).parent
        self.context.weights = open_weights(module, folder, self.get_input_name())
        self.context.tokenizer = open_tokenizer(folder)

    def _save_weights(self, module: ModuleOp) -> None:
        from llmir.tools.opt_weights import ATTRIBUTE, save_weights, weights_name

        store = self.context.weights
        if self.args.weights_output is None:
            if store.changed:
                print(
                    "llmir-opt: warning: the passes changed the weights, which are not saved; "
                    "--weights-output FILE writes them",
                    file=sys.stderr,
                )
            return
        output = Path(self.args.weights_output)
        module_file = None if self.args.output_file is None else Path(self.args.output_file)
        name = weights_name(output, module_file)
        save_weights(module, store, output, self.get_input_name())
        module.attributes[ATTRIBUTE] = StringAttr(name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run llmir-opt; returns the exit status: 0 success, 1 wrong input, 2 wrong command line."""
    try:
        tool = LLMIROptMain(sys.argv[1:] if argv is None else argv)
        tool.run()
        if tool.args.shrink:
            print("Failure, can't shrink")
        return 1 if tool.failures or tool.args.shrink else 0
    except ShrinkException:  # raised by a pass under debugging, see xDSL
        print("Success, can shrink")
        return 0
    except SystemExit as e:  # --help and --version
        return int(e.code or 0)
    except UsageError as e:
        print(f"llmir-opt: error: {e}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # whoever read our output has seen enough; nothing may be flushed to it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except BaseException as e:
        from llmir.tools.opt_diagnostics import USER_ERRORS, describe

        if not isinstance(e, USER_ERRORS):
            raise
        print(describe(e, None), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
