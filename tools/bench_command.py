"""`llmir bench`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from llmir.backends.native.cores import usable_cores
from llmir.backends.native.machine_peaks import Peaks, measure_peaks
from llmir.errors import InputError
from llmir.evaluation.speed import Speed, decode_speed, prefill_speed
from llmir.frontends.model_source import model_source
from llmir.frontends.registry import open_runnable
from llmir.program.chat import json_object
from llmir.program.folder import CONFIG
from llmir.program.program import Program
from llmir.reports.tables import bytes_text, facts_table, table_of
from llmir.reports.work import TokenWork, token_work
from llmir.targets.host import host_machine
from llmir.tools.backends import BackendOptions, Session, open_session
from llmir.tools.console import Output, progress_bar

PREFILLS, CONTEXTS = (128, 512), (16, 1024)
"""What is measured unless said otherwise, as far as the model has positions for it."""


@dataclass(frozen=True)
class Row:
    """A speed, what its tokens cost with a cache of an element, and what the machine could do."""

    kind: str
    speed: Speed
    work: TokenWork
    cache_element: str
    peaks: Peaks

    @property
    def bytes_per_token(self) -> float:
        """Bytes of weights and cache that a token reads; all tokens of a prefill share the weights."""
        if self.kind == "prefill":
            return self.work.weight_bytes / self.speed.tokens
        return self.work.weight_bytes + self.work.cache_bytes(self.speed.context, self.cache_element)

    def as_json(self) -> dict[str, Any]:
        """Plain data with stable keys."""
        read = self.bytes_per_token * self.speed.best
        operations = 2 * self.work.products * self.speed.best
        return {
            "kind": self.kind,
            "tokens": self.speed.tokens,
            "context": self.speed.context,
            "tokens_per_second": self.speed.best,
            "median_tokens_per_second": self.speed.median,
            "bytes_per_token": self.bytes_per_token,
            "bytes_per_second": read,
            "bandwidth_fraction": read / self.peaks.read_bytes_per_second,
            "operations_per_second": operations,
            "int8_peak_fraction": operations / self.peaks.int8_operations_per_second,
        }


def run(
    model: str,
    prefill: tuple[int, ...],
    context: tuple[int, ...],
    tokens: int,
    repeats: int,
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
    most = positions(program)
    prefill = prefill or tuple(size for size in PREFILLS if size <= most)
    context = context or tuple(size for size in CONTEXTS if size + tokens <= most)
    check_lengths(program, max([*prefill, *(size + tokens for size in context)]))
    opened = out.seconds
    runner = open_session(program, options, source)
    compiled = out.seconds
    for note in runner.notes:
        out.remark(note)
    decode_speed(runner.session, runner.session.vocabulary, 0, 1, 1)
    first = out.seconds
    team = threads or usable_cores()
    peaks = measure_peaks(host_machine(target), team)
    element = options.cache_element if runner.backend == "native" else "f32"
    rows = measure(token_work(program), runner.session, prefill, context, tokens, repeats, element, peaks)
    data: dict[str, Any] = {
        "model": model,
        "backend": runner.backend,
        "backend_reason": runner.reason,
        "notes": list(runner.said),
        "threads": team,
        "open_seconds": opened,
        "compile_seconds": compiled - opened,
        "first_token_seconds": first - compiled,
        "read_bytes_per_second": peaks.read_bytes_per_second,
        "int8_operations_per_second": peaks.int8_operations_per_second,
        "float32_operations_per_second": peaks.float32_operations_per_second,
        "measurements": [row.as_json() for row in rows],
    }
    out.show(facts_table(facts(data)), speed_table(data["measurements"]))
    out.finish(data)


def check_lengths(program: Program, longest: int) -> None:
    """InputError when the model has not been made for as many tokens as shall be measured."""
    most = positions(program)
    if longest > most:
        raise InputError(
            f"{program.name}: {longest} tokens would be measured, the model has positions for {most:.0f}; "
            "give lesser --prefill, --context or --tokens"
        )


def positions(program: Program) -> float:
    """How many positions the model's configuration names; no limit if it names none."""
    config = json_object(program, CONFIG)
    found = config.get("max_position_embeddings", config.get("n_positions"))
    return found if isinstance(found, int) else math.inf


def measure(
    work: TokenWork,
    session: Session,
    prefill: tuple[int, ...],
    context: tuple[int, ...],
    tokens: int,
    repeats: int,
    element: str,
    peaks: Peaks,
) -> list[Row]:
    """Every length, one after the other."""
    rows: list[Row] = []
    with progress_bar() as progress:
        total = len(prefill) + len(context)
        for size in prefill:
            speed = prefill_speed(session, session.vocabulary, size, repeats)
            rows.append(Row("prefill", speed, work, element, peaks))
            progress("measuring", len(rows), total)
        for behind in context:
            speed = decode_speed(session, session.vocabulary, behind, tokens, repeats)
            rows.append(Row("decode", speed, work, element, peaks))
            progress("measuring", len(rows), total)
    return rows


def facts(data: dict[str, Any]) -> list[tuple[str, str]]:
    """What does not depend on a length."""
    reads, int8 = data["read_bytes_per_second"], data["int8_operations_per_second"]
    return [
        ("model", data["model"]),
        ("backend", f"{data['backend']}, {data['threads']} threads"),
        ("opened in", f"{data['open_seconds']:.2f} s"),
        ("compiled in", f"{data['compile_seconds']:.2f} s"),
        ("first token in", f"{data['first_token_seconds']:.3f} s"),
        ("this machine", f"reads {bytes_text(reads)}/s, multiplies {int8 / 1e9:.0f} G int8 operations/s"),
    ]


def speed_table(rows: list[dict[str, Any]]) -> Table:
    """One row for each length."""
    table = table_of("", "tokens", "behind", "tokens/s", "median", "read/token", "read/s", "of memory", "of int8 peak")
    for row in rows:
        table.add_row(
            row["kind"],
            str(row["tokens"]),
            str(row["context"]),
            f"{row['tokens_per_second']:.1f}",
            f"{row['median_tokens_per_second']:.1f}",
            bytes_text(row["bytes_per_token"]),
            bytes_text(row["bytes_per_second"]),
            f"{100 * row['bandwidth_fraction']:.0f} %",
            f"{100 * row['int8_peak_fraction']:.1f} %",
        )
    return table
