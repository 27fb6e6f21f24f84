"""Writes functions at the `vk` level: one method for each thing a machine does to scalars and vectors.

    m = ModuleBuilder(host_machine())
    with m.function("add", [("x", PTR), ("y", PTR), ("n", I64)], public=True) as f:
        vector = vec(F32, f.lanes)

        def body(i, _):
            at = f.at(f.args["y"], f.mul(i, 4))
            f.store(f.fadd(f.load(f.at(f.args["x"], f.mul(i, 4)), vector), f.load(at, vector)), at)

        f.for_(0, f.args["n"], f.lanes, [], body)
        f.ret()

Operations are made without being verified one by one; verify the module where it matters (tests do).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    FunctionType,
    IntegerType,
    ModuleOp,
    StringAttr,
    SymbolRefAttr,
    TensorType,
    UnitAttr,
)
from xdsl.dialects.llvm import AddressOfOp, GlobalOp, LLVMArrayType
from xdsl.ir import Attribute, Region

from llmir.backends.native.attributes import word
from llmir.backends.native.operations.arithmetic import Arithmetic
from llmir.backends.native.operations.control import Control
from llmir.backends.native.operations.memory import MemoryAccess
from llmir.backends.native.operations.values import Number, Operand, Value
from llmir.backends.native.operations.vectors import Vectors
from llmir.backends.native.vector_types import PTR
from llmir.dialects.collector import collector_paused
from llmir.dialects.vk.types import INLINE, MACHINE
from llmir.targets.machine import Machine

NOALIAS = "llvm.noalias"
"""The attribute of a pointer through which alone a function gets at what it points to."""


class ModuleBuilder:
    """A module for a machine, function by function.

    `functions` has those there are, by name, `globals` data in memory. Generators emit a function once: `has` says
    whether it is there.
    """

    def __init__(self, machine: Machine):
        self.machine = machine
        self.module = ModuleOp([], {MACHINE: StringAttr(machine.name)})
        self.functions: dict[str, func.FuncOp] = {}
        self.globals: dict[str, GlobalOp] = {}

    def has(self, name: str) -> bool:
        """True when there is a function of a name."""
        return name in self.functions

    def function(
        self,
        name: str,
        arguments: Sequence[tuple[str, Attribute]],
        results: Sequence[Attribute] = (),
        *,
        public: bool = False,
        inline: bool = False,
        aliasing: Sequence[str] | None = None,
    ) -> Function:
        """A new function to be written; use it in `with`, or call `finish`.

        `public` functions can be called from outside. Others are called as written, or with `inline` put into the
        functions that call them. `aliasing` names the pointers through which memory may be
        reached that another pointer of the function reaches too: none of a private function, all of a public one,
        when left out.
        """
        names = [n for n, type in arguments if type is PTR]
        shared = (names if public else ()) if aliasing is None else aliasing
        return Function(self, name, arguments, results, public, inline, frozenset(shared))

    def declare(self, name: str, argument_types: Sequence[Attribute], results: Sequence[Attribute] = ()) -> None:
        """Make a function of the process known, such as the C library's `syscall`."""
        if not self.has(name):
            self.add(name, argument_types, results, Region(), public=False, inline=False, attributes=())

    def data(
        self, name: str, values: Sequence[Number], element: Attribute, *, align: int = 1, variable: bool = False
    ) -> None:
        """Numbers in memory, which `Function.address` finds by name: constants, or variables that each thread has.

        Only variables of threads may be written, so that a module can be used by any number of threads.
        """
        if name in self.globals:
            raise ValueError(f"there already is data '{name}'")
        type: Any = TensorType(element, [len(values)])
        numbers = [int(v) for v in values] if element.__class__ is IntegerType else [float(v) for v in values]
        self.globals[name] = GlobalOp(
            LLVMArrayType(len(values), element),
            name,
            "internal",
            constant=not variable,
            thread_local_=variable,
            value=DenseIntOrFPElementsAttr.from_list(type, numbers),
            alignment=align,
        )
        self.module.body.block.add_op(self.globals[name])

    def add(
        self,
        name: str,
        types: Sequence[Attribute],
        results: Sequence[Attribute],
        body: Region,
        public: bool,
        inline: bool,
        attributes: Sequence[DictionaryAttr],
    ) -> None:
        """Put a finished function into the module."""
        if name in self.functions:
            raise ValueError(f"there already is a function '{name}'")
        properties: dict[str, Attribute] = {
            "sym_name": StringAttr(name),
            "function_type": FunctionType.from_lists(list(types), list(results)),
            "sym_visibility": word("public" if public else "private"),
        }
        if any(a.data for a in attributes):
            properties["arg_attrs"] = ArrayAttr(attributes)
        op = func.FuncOp.create(
            properties=properties, attributes={INLINE: UnitAttr()} if inline else {}, regions=[body]
        )
        self.functions[name] = op
        self.module.body.block.add_op(op)


class Function(Arithmetic, MemoryAccess, Vectors, Control):
    """A function being written. `args` are its arguments by name; `lanes` the 32-bit lanes of one register.

    Where a method takes two operands, the second may be a number, which is then a constant of the first's type.
    Offsets count bytes.
    """

    def __init__(
        self,
        module: ModuleBuilder,
        name: str,
        arguments: Sequence[tuple[str, Attribute]],
        results: Sequence[Attribute],
        public: bool,
        inline: bool,
        aliasing: frozenset[str],
    ):
        super().__init__(module.machine, [type for _, type in arguments])
        self.module = module
        self.name = name
        self._results = tuple(results)
        self._public = public
        self._inline = inline
        self._aliasing = aliasing
        self._names = [n for n, _ in arguments]
        self.args: dict[str, Value] = {}
        for (argument, _), value in zip(arguments, self._entry.args, strict=True):
            value.name_hint = argument
            self.args[argument] = value
        if module.has(name):
            raise ValueError(f"there already is a function '{name}'")

    def __enter__(self) -> Self:
        self._paused = ExitStack()
        self._paused.enter_context(collector_paused())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._paused:
            if kind is None:
                self.finish()

    def finish(self) -> None:
        """Put the function into the module; one without results may lack its `ret`."""
        last = self._block.last_op
        if not self._results and (last is None or last.__class__ is not func.ReturnOp):
            self.ret()
        if self._pending:
            self._entry.insert_ops_before(self._pending, self._entry.first_op)  # pyright: ignore
            self._pending = []
        unit, nothing = DictionaryAttr({NOALIAS: UnitAttr()}), DictionaryAttr({})
        attributes = [
            unit if value.type is PTR and name not in self._aliasing else nothing
            for name, value in zip(self._names, self._entry.args, strict=True)
        ]
        types = [value.type for value in self._entry.args]
        self.module.add(self.name, types, self._results, Region(self._entry), self._public, self._inline, attributes)

    # -- what else the module has --

    def address(self, name: str) -> Value:
        """Where data or a function of the module is."""
        if name not in self.module.globals and not self.module.has(name):
            raise ValueError(f"there is neither data nor a function '{name}'")
        return self.emit(AddressOfOp, (), PTR, {"global_name": SymbolRefAttr(name)})

    def call(self, name: str, arguments: Sequence[Operand]) -> list[Value]:
        """Call a function of the module; numbers become constants of its arguments' types."""
        if name not in self.module.functions:
            raise ValueError(f"there is no function '{name}' to call")
        types = self.module.functions[name].function_type
        if len(arguments) != len(types.inputs.data):
            raise ValueError(f"'{name}' takes {len(types.inputs.data)} arguments, got {len(arguments)}")
        operands = [self._operand(a, type) for a, type in zip(arguments, types.inputs.data, strict=True)]
        op = func.CallOp.create(
            operands=operands, result_types=types.outputs.data, properties={"callee": SymbolRefAttr(name)}
        )
        self._block.add_op(op)
        return list(op.results)
