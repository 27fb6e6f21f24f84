"""`llmir run`."""

from __future__ import annotations

import sys

import numpy as np

from llmir.evaluation.continuation import Continuation
from llmir.evaluation.sampling import Sampling
from llmir.evaluation.text_stream import StopStrings
from llmir.program.chat import prompting
from llmir.program.token_files import check_vocabulary
from llmir.tools.backends import BackendOptions, open_to_run
from llmir.tools.console import Output


def run(
    model: str,
    prompt: str,
    tokens: int,
    chat: bool,
    temperature: float,
    top_k: int,
    top_p: float,
    min_p: float,
    seed: int,
    stop: tuple[str, ...],
    stop_id: tuple[int, ...],
    backend: str,
    kv_cache: str | None,
    activations: str | None,
    target: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Generate text and print it as it comes."""
    out = Output(as_json)
    sampling, stops = Sampling(temperature, top_k, top_p, min_p, seed), StopStrings(stop)
    options = BackendOptions(backend, threads, kv_cache, activations, target)
    opened = open_to_run(model, options)
    conventions = prompting(opened)
    ids = conventions.encode(conventions.chat(prompt) if chat else prompt)
    runner = opened.start()
    check_vocabulary(np.array(ids, np.int64), runner.session.vocabulary, "the prompt")
    check_vocabulary(np.array(stop_id, np.int64), runner.session.vocabulary, "--stop-id")
    for note in runner.notes:
        out.remark(note)
    made = Continuation(
        runner.session,
        lambda ids: conventions.tokenizer.decode(ids, skip_special_tokens=False),
        ids,
        tokens,
        sampling,
        conventions.stop_ids | set(stop_id),
        stops,
    )
    for piece in made.pieces():
        if not as_json:
            sys.stdout.write(piece)
            sys.stdout.flush()
    if not as_json:
        sys.stdout.write("\n")
    out.summarize(summary(made, runner.backend))
    out.finish(
        {
            "model": model,
            "backend": runner.backend,
            "backend_reason": runner.reason,
            "notes": list(runner.said),
            "prompt_ids": ids,
            "generated_ids": made.ids,
            "text": made.text,
            "finish_reason": made.finish_reason,
            "first_token_seconds": made.seconds[0],
            "prefill_tokens_per_second": made.prefill_tokens_per_second,
            "tokens_per_second": made.decode_tokens_per_second,
        }
    )


def summary(made: Continuation, backend: str) -> str:
    """How much was read and written, and how fast."""
    parts = [f"{len(made.prompt)} prompt tokens at {made.prefill_tokens_per_second:.1f} tokens/s"]
    speed = made.decode_tokens_per_second
    parts.append(f"{len(made.ids)} generated" + ("" if speed is None else f" at {speed:.1f} tokens/s"))
    parts.append(f"first token after {made.seconds[0]:.2f} s")
    return f"{', '.join(parts)}; backend {backend}"
