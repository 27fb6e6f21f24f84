"""`llmir run`."""

from __future__ import annotations

import sys
import time

from tokenizers.decoders import DecodeStream

from llmir.evaluation.generation import generate
from llmir.frontends.registry import open_model
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
    program = open_model(model)
    conventions = prompting(program)
    ids = conventions.encode(conventions.chat(prompt) if chat else prompt)
    session = compile_numpy(program.module, program.weights)
    check_vocabulary(np.array(ids, np.int64), session.vocabulary, "the prompt")
    stream = DecodeStream(skip_special_tokens=False)
    produced: list[int] = []
    text = ""
    started = time.perf_counter()
    for token in generate(
        session, ids, tokens, temperature=temperature, seed=seed, stop_ids=conventions.stop_ids
    ):
        produced.append(token)
        piece = stream.step(conventions.tokenizer, token) or ""
        text += piece
        if not as_json:
            sys.stdout.write(piece)
            sys.stdout.flush()
    seconds = time.perf_counter() - started
    speed = len(produced) / seconds if produced else 0.0
    if not as_json:
        sys.stdout.write("\n")
        print(
            f"{len(ids)} prompt tokens, {len(produced)} generated, {speed:.1f} tokens/s, backend {backend}",
            file=sys.stderr,
        )
    out.finish(
        {
            "model": model,
            "backend": backend,
            "prompt_ids": ids,
            "generated_ids": produced,
            "text": text,
            "tokens_per_second": speed,
        }
    )
