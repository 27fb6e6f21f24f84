"""`NAME_prefill` and `NAME_decode` of a compiled model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.control import RUN
from llmir.backends.native.kernels.c_model_memory import MUTEX, PLACES, get, get_pointer, set_context
from llmir.backends.native.kernels.c_program import CProgram
from llmir.backends.native.kernels.last_error import CLEAR, Check, Piece, guarded
from llmir.backends.native.kernels.libc import call_libc
from llmir.backends.native.kernels.sampling import Argmax
from llmir.backends.native.plan import CHUNK_ROWS
from llmir.backends.native.vector_types import I1, I32, I64, PTR


@dataclass(frozen=True)
class Calls:
    """`NAME_prefill` and `NAME_decode`: they give the most probable next token, -1 with the error said."""

    model: CProgram

    def emit(self, m: ModuleBuilder) -> None:
        """Add both functions."""
        Argmax(self.model.plan.vocabulary).emit(m)
        start, end = [("model", PTR)], [("position", I32), ("logits", PTR)]
        with m.function(
            f"{self.model.prefix}_prefill", [*start, ("ids", PTR), ("n", I32), *end], [I32], public=True
        ) as f:
            self._prefill(f)
        with m.function(f"{self.model.prefix}_decode", [*start, ("id", I32), *end], [I32], public=True) as f:
            self._decode(f)

    def _prefill(self, f: Function) -> None:
        name = f.name
        model, ids, n = f.args["model"], f.args["ids"], f.sext(f.args["n"], I64)

        def token(at: SSAValue) -> SSAValue:
            return f.sext(f.load(f.at(ids, f.mul(at, 4)), I32), I64)

        def check_ids() -> Check:
            vocabulary = self.model.plan.vocabulary

            def more(carried: list[SSAValue]) -> SSAValue:
                inside, no = f.cmp("slt", carried[0], n), f.constant(0, I1)
                return f.if_(inside, lambda: f.cmp("ult", token(carried[0]), vocabulary), lambda: no, [I1])[0]

            (first,) = f.while_([f.i64(0)], more, lambda carried: f.add(carried[0], 1))
            last = f.sub(n, 1)
            return Check(f.cmp("slt", first, n), self._unknown(f, token(f.smin(first, last)), first))

        def compute() -> SSAValue:
            position = f.sext(f.args["position"], I64)
            self._place(f, model, f.add(position, n))
            places = {field: get_pointer(f, model, field) for field in ("ids", "hidden", "logits")}

            def chunk(start: SSAValue, _: list[SSAValue]) -> None:
                rows = f.smin(f.sub(n, start), CHUNK_ROWS)

                def widen(i: SSAValue, _: list[SSAValue]) -> None:
                    f.store(token(f.add(start, i)), f.at(places["ids"], f.mul(i, 8)), align=8)

                f.for_(0, rows, 1, [], widen)
                set_context(
                    f, model, ids=places["ids"], hidden=places["hidden"], rows=rows, position=f.add(position, start)
                )
                f.call(RUN, [model, self.model.job("prefill"), get(f, model, "threads")])

            f.for_(0, n, CHUNK_ROWS, [], chunk)
            last = f.urem(f.sub(n, 1), CHUNK_ROWS)
            hidden = f.at(places["hidden"], f.mul(last, 4 * self.model.plan.hidden))
            logits = self._logits(f, model)
            set_context(f, model, hidden=hidden, logits=logits, rows=f.i64(1))
            f.call(RUN, [model, self.model.job("head"), get(f, model, "threads")])
            best, value = f.at(model, PLACES["token"]), f.at(model, PLACES["value"])
            columns = self.model.plan.vocabulary
            f.call(Argmax(columns).name, [logits, value, best, 0, 1, 0, columns])
            return f.load(best, I64, align=8)

        checks = [
            lambda: Check(f.cmp("eq", f.integer_of(ids), 0), (f"{name}: ids is NULL",)),
            lambda: Check(f.cmp("slt", n, 1), (f"{name}: n is ", n, ", expected at least 1")),
            *self._room(f, model, n),
            check_ids,
        ]
        self._checked(f, checks, compute)

    def _decode(self, f: Function) -> None:
        model, id = f.args["model"], f.sext(f.args["id"], I64)

        def check_id() -> Check:
            return Check(f.cmp("uge", id, self.model.plan.vocabulary), self._unknown(f, id, f.i64(0)))

        def compute() -> SSAValue:
            position, ids = f.sext(f.args["position"], I64), get_pointer(f, model, "ids")
            self._place(f, model, f.add(position, 1))
            f.store(id, ids, align=8)
            best = f.at(model, PLACES["token"])
            logits = self._logits(f, model)
            set_context(f, model, ids=ids, rows=f.i64(1), position=position, logits=logits, token=best)
            f.call(RUN, [model, self.model.job("decode"), get(f, model, "threads")])
            return f.load(best, I64, align=8)

        self._checked(f, [*self._room(f, model, f.i64(1)), check_id], compute)

    def _checked(self, f: Function, checks: Sequence[Callable[[], Check]], compute: Callable[[], SSAValue]) -> None:
        """Compute if nothing is wrong, while no other thread does so with the model."""
        f.call(CLEAR, [])
        model = f.args["model"]

        def alone() -> list[SSAValue]:
            call_libc(f, "pthread_mutex_lock", f.at(model, MUTEX))
            token = compute()
            call_libc(f, "pthread_mutex_unlock", f.at(model, MUTEX))
            return [f.trunc(token, I32)]

        there = Check(f.cmp("eq", f.integer_of(model), 0), (f"{f.name}: model is NULL",))
        f.ret(*guarded(f, [lambda: there, *checks], alone, lambda: [f.i32(-1)], [I32]))

    def _room(self, f: Function, model: SSAValue, n: SSAValue) -> list[Callable[[], Check]]:
        """That n tokens from the position on fit into the cache, and the model knows their positions."""
        position = f.sext(f.args["position"], I64)
        end, name = f.add(position, n), f.name

        def check_capacity() -> Check:
            capacity = get(f, model, "given_capacity")
            said = (f"{name}: tokens ", position, " to ", f.sub(end, 1), " do not fit into a capacity of ", capacity)
            return Check(f.cmp("sgt", end, capacity), said)

        def check_positions() -> Check:
            most = self.model.plan.positions
            assert most is not None
            said = (f"{name}: the model has learned {most} positions, ", f.sub(end, 1), " is beyond them")
            return Check(f.cmp("sgt", end, most), said)

        def check_start() -> Check:
            return Check(f.cmp("slt", position, 0), (f"{name}: position is ", position, ", expected at least 0"))

        checks = [check_start, check_capacity]
        return checks if self.model.plan.positions is None else [*checks, check_positions]

    def _unknown(self, f: Function, id: SSAValue, at: SSAValue) -> tuple[Piece, ...]:
        vocabulary = self.model.plan.vocabulary
        return (f"{f.name}: token id ", id, " at place ", at, f" is outside of a vocabulary of {vocabulary} tokens")

    def _place(self, f: Function, model: SSAValue, end: SSAValue) -> None:
        """Use the tables for a text that ends with token number `end`, counted from 1."""
        tables = get_pointer(f, model, "short_tables")
        limit = self.model.long_limit
        if limit is not None:
            tables = f.select(f.cmp("sgt", end, limit), get_pointer(f, model, "long_tables"), tables)
        set_context(f, model, tables=tables)

    def _logits(self, f: Function, model: SSAValue) -> SSAValue:
        """Where logits go: to the caller, or to memory of the model's own."""
        given = f.args["logits"]
        return f.select(f.cmp("eq", f.integer_of(given), 0), get_pointer(f, model, "logits"), given)
