"""`llmir eval`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir import demo
from llmir.errors import InputError, UsageError
from llmir.evaluation.perplexity import Perplexity, perplexity
from llmir.frontends.model_source import model_source
from llmir.frontends.registry import open_runnable
from llmir.program.chat import prompting
from llmir.program.folder import TOKENIZER
from llmir.program.program import Program
from llmir.program.token_files import check_vocabulary, read_tokens, tokenize_file, windows
from llmir.reports.sizes import size_report
from llmir.reports.tables import bytes_text, facts_table
from llmir.tools.backends import BackendOptions, Runner, open_session
from llmir.tools.console import Output, peak_memory, progress_bar


@dataclass(frozen=True)
class Data:
    """Windows of ids, and how they were made."""

    windows: NDArray[np.int64]
    policy: str


def run(
    model: str,
    text: str | None,
    tokens: str | None,
    context: int,
    max_tokens: int | None,
    bos: str,
    reference: str | None,
    backend: str,
    kv_cache: str | None,
    activations: str | None,
    target: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure and print."""
    out = Output(as_json)
    options = BackendOptions(backend, threads, kv_cache, activations, target)
    source = model_source(model)
    program = open_runnable(model)
    data = read_data(program, text, tokens, context, max_tokens, bos)
    runner = open_session(program, options, source)
    for note in runner.notes:
        out.remark(note)
    compared = None
    if reference is not None:
        reference_source = model_source(reference)
        compared = open_session(open_runnable(reference), options, reference_source)
        for note in compared.notes:
            out.remark(f"{reference}: {note}")
        check_reference(reference, compared, runner)
    check_vocabulary(data.windows, runner.session.vocabulary, text or tokens or "")
    started = out.seconds
    with progress_bar() as progress:
        against = None if compared is None else compared.session
        measured = perplexity(runner.session, data.windows, against, lambda d, n: progress("evaluating", d, n))
    speed = measured.tokens / (out.seconds - started)
    sizes = size_report(program)
    facts = result_facts(measured, context, data.policy)
    facts.append(("bits per weight", f"{sizes.bits_per_weight:.3f}"))
    facts.append(("tokens/s", f"{speed:.0f}"))
    facts.append(("backend", runner.backend))
    facts += [("seconds", f"{out.seconds:.1f}"), ("peak memory", bytes_text(peak_memory()))]
    out.show(facts_table([("model", model), *([("reference", reference)] if reference else []), *facts]))
    out.finish(
        {
            "model": model,
            "reference": reference,
            "backend": runner.backend,
            "backend_reason": runner.reason,
            "notes": list(runner.said),
            "reference_backend": None if compared is None else compared.backend,
            "context": context,
            "bos": data.policy,
            "bits_per_weight": sizes.bits_per_weight,
            "weight_bytes": sizes.weight_bytes,
            "tokens_per_second": speed,
            **result_json(measured),
        }
    )


def read_data(
    program: Program, text: str | None, tokens: str | None, context: int, max_tokens: int | None, bos: str
) -> Data:
    """The windows to measure on; BOS, if wanted, is the first token of each."""
    if (text is None) == (tokens is None):
        raise UsageError("give the data as either --text FILE or --tokens FILE")
    if tokens is not None:
        ids = read_tokens(Path(tokens))
    else:
        ids = tokenize_file(demo.text_path(text or ""), program.files.get(TOKENIZER), program.name)
    ids = ids[:max_tokens]
    start, policy = bos_policy(program, bos, tokens is not None)
    if start is None:
        cut = windows(ids, context)
    else:
        body = windows(ids, context - 1)
        cut = np.concatenate([np.full((len(body), 1), start, np.int64), body], axis=1)
    if not len(cut):
        raise InputError(f"{text or tokens}: {len(ids)} tokens are less than one window of {context}")
    return Data(cut, policy)


def bos_policy(program: Program, bos: str, ids_given: bool) -> tuple[int | None, str]:
    """The BOS id each window starts with, or None, and how to say so."""
    if bos == "never":
        return None, "none"
    if bos == "auto" and ids_given:
        return None, "none (token ids are taken as they are)"
    conventions = prompting(program)
    if bos == "auto":
        asked = conventions.bos_id is not None
        return (
            conventions.bos_id,
            "each window, as the tokenizer asks" if asked else "none, as the tokenizer asks",
        )
    token = conventions.named_bos()
    return token, "each window"


def check_reference(name: str, reference: Runner, model: Runner) -> None:
    """InputError when the reference's vocabulary is another than the model's."""
    theirs, ours = reference.session.vocabulary, model.session.vocabulary
    if theirs != ours:
        raise InputError(
            f"{name}: its vocabulary has {theirs} tokens, the model's {ours}; a reference must predict the same tokens"
        )


def result_facts(measured: Perplexity, context: int, policy: str) -> list[tuple[str, str]]:
    """The result for a person."""
    facts = [
        ("perplexity", f"{measured.perplexity:.4f}"),
        ("tokens predicted", f"{measured.tokens:,} in {measured.windows} windows of {context}"),
        ("BOS", policy),
    ]
    d = measured.divergence
    if d is not None:
        facts += [
            ("reference perplexity", f"{d.reference_perplexity:.4f}"),
            ("ln(PPL / reference PPL)", f"{d.ln_perplexity_ratio:+.6f}"),
            ("KL divergence, mean", f"{d.mean_kld:.6f} nats"),
            ("KL divergence, median", f"{d.median_kld:.6f} nats"),
            ("KL divergence, 99 %", f"{d.p99_kld:.6f} nats"),
            ("same top token", f"{100 * d.same_top1:.2f} %"),
        ]
    return facts


def result_json(measured: Perplexity) -> dict[str, Any]:
    """The result with stable keys."""
    divergence = {} if measured.divergence is None else asdict(measured.divergence)
    return {
        "perplexity": measured.perplexity,
        "tokens": measured.tokens,
        "windows": measured.windows,
        **divergence,
    }
