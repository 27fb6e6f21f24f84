"""Loops and branches, and how threads meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import func, scf
from xdsl.ir import Attribute, Block, Region, SSAValue

from llmir.backends.native.attributes import word
from llmir.backends.native.operations.values import Operand, Value, Values
from llmir.backends.native.vector_types import I64
from llmir.dialects.vk import threads

Body = Callable[[Value, list[Value]], "Sequence[Value] | Value | None"]


class Control(Values):
    """Loops, branches and atomic accesses."""

    def _body(self, types: Sequence[Attribute], write: Callable[[list[Value]], Sequence[Value]]) -> Block:
        """A block of its own, written by a function that gives what the block yields."""
        outer = self._block
        block = self._block = Block(arg_types=types)
        try:
            out = write(list(block.args))
            self._block.add_op(scf.YieldOp.create(operands=out))
        finally:
            self._block = outer
        return block

    def for_(
        self, lower: int | Value, upper: int | Value, step: int | Value, inits: Sequence[Value], body: Body
    ) -> list[Value]:
        """`body(i, carried)` for i from lower, while less than upper (signed, i64); what it gives is carried on.

        `body` gives as many values as `inits`, of their types, and None for none.
        """
        types = [v.type for v in inits]
        block = self._body([I64, *types], lambda args: _values(body(args[0], args[1:]), len(types)))
        loop = scf.ForOp.create(
            operands=[self._index(lower), self._index(upper), self._index(step), *inits],
            result_types=types,
            regions=[Region(block)],
        )
        self._block.add_op(loop)
        return list(loop.results)

    def if_(
        self,
        condition: Value,
        then: Callable[[], Sequence[Value] | Value | None],
        otherwise: Callable[[], Sequence[Value] | Value | None] | None = None,
        results: Sequence[Attribute] = (),
    ) -> list[Value]:
        """One of two bodies; they give values of the types in `results`."""
        count = len(results)
        if count and otherwise is None:
            raise ValueError("an if with results needs both bodies")
        regions = [Region(self._body([], lambda _: _values(then(), count)))]
        regions.append(Region() if otherwise is None else Region(self._body([], lambda _: _values(otherwise(), count))))
        branch = scf.IfOp.create(operands=[condition], result_types=list(results), regions=regions)
        self._block.add_op(branch)
        return list(branch.results)

    def while_(
        self,
        inits: Sequence[Value],
        condition: Callable[[list[Value]], Value],
        body: Callable[[list[Value]], Sequence[Value] | Value | None],
    ) -> list[Value]:
        """`body(carried)` as long as `condition(carried)` holds; the values carried last."""
        types = [v.type for v in inits]
        outer = self._block
        before = self._block = Block(arg_types=types)
        holds = condition(list(before.args))
        self._block.add_op(scf.ConditionOp.create(operands=[holds, *before.args]))
        self._block = outer
        after = self._body(types, lambda args: _values(body(args), len(types)))
        loop = scf.WhileOp.create(operands=list(inits), result_types=types, regions=[Region(before), Region(after)])
        self._block.add_op(loop)
        return list(loop.results)

    def ret(self, *values: Value) -> None:
        """Return; the last thing in a function."""
        self._block.add_op(func.ReturnOp.create(operands=values))

    # -- threads --

    def atomic_add(self, pointer: Value, value: Operand, ordering: str, type: Attribute = I64) -> Value:
        """Add to an integer in memory; what was there before. A number is of the type."""
        operand = self._operand(value, type)
        return self.emit(threads.AtomicAddOp, (pointer, operand), operand.type, {"ordering": word(ordering)})

    def atomic_load(self, pointer: Value, type: Attribute, ordering: str) -> Value:
        """An integer in memory: monotonic, acquire or seq_cst."""
        return self.emit(threads.AtomicLoadOp, (pointer,), type, {"ordering": word(ordering)})

    def atomic_store(self, value: Value, pointer: Value, ordering: str) -> None:
        """Put an integer into memory: monotonic, release or seq_cst."""
        self.emit(threads.AtomicStoreOp, (value, pointer), None, {"ordering": word(ordering)})

    def pause(self) -> None:
        """Tell the core that this thread waits in a loop."""
        self._block.add_op(threads.PauseOp.create())


def _values(given: Sequence[Value] | Value | None, count: int) -> Sequence[Value]:
    """What a body gave, as a list of the length expected."""
    values = () if given is None else (given,) if isinstance(given, SSAValue) else given
    if len(values) != count:
        raise ValueError(f"the body gives {len(values)} values, expected {count}")
    return values
