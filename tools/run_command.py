"""`llmir run`."""

from __future__ import annotations

import sys
import time

from tokenizers.decoders import DecodeStream

from llmir.evaluation.generation import generate
from llmir.frontends.registry import open_runnable
from llmir.passes.pipeline import compile_numpy
from llmir.program.chat import prompting
from llmir.program.token_files import check_vocabulary
from llmir.tools.console import Output


def run(
    model: str,
    prompt: str,
    tokens: int,
    chat: bool,
    temperature: float,
    seed: int,
    backend: str,
    as_json: bool,
) -> None:
    """Generate text and print it as it comes."""
    import numpy as np

    out = Output(as_json)
    program = open_runnable(model)
    conventions = prompting(program)
    ids = conventions.encode(conventions.chat(prompt) if chat else prompt)
    session = compile_numpy(program.module, program.weights)
    check_vocabulary(np.array(ids, np.int64), session.vocabulary, "the prompt")
    stream = DecodeStream(skip_special_tokens=False)
    produced: list[int] = []
    text = ""
    times = [time.perf_counter()]
    for token in generate(session, ids, tokens, temperature=temperature, seed=seed, stop_ids=conventions.stop_ids):
        times.append(time.perf_counter())
        produced.append(token)
        piece = stream.step(conventions.tokenizer, token) or ""
        text += piece
        if not as_json:
            sys.stdout.write(piece)
            sys.stdout.flush()
    first = times[1] - times[0] if produced else 0.0
    speed = (len(produced) - 1) / (times[-1] - times[1]) if len(produced) > 1 else None
    if not as_json:
        sys.stdout.write("\n")
        rate = "" if speed is None else f", then {speed:.1f} tokens/s"
        print(
            f"{len(ids)} prompt tokens and weights in {first:.2f} s, {len(produced)} tokens generated{rate}, "
            f"backend {backend}",
            file=sys.stderr,
        )
    out.finish(
        {
            "model": model,
            "backend": backend,
            "prompt_ids": ids,
            "generated_ids": produced,
            "text": text,
            "first_token_seconds": first,
            "tokens_per_second": speed,
        }
    )
