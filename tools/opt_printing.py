"""How llmir-opt prints modules: xDSL's printer, which can leave out large constants and resources as mlir-opt does."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from typing import IO, Any, cast

from xdsl.context import Context
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, ModuleOp
from xdsl.ir import Attribute, Dialect, Operation
from xdsl.printer import Printer
from xdsl.targets.mlir import MLIRTarget

from llmir.dialects.parser import ELIDED


class ElidingPrinter(Printer):
    """A printer that shows `dense_resource<__elided__>` for constants of more than `max_elements` elements.

    Splats are short however many elements they have, so they are shown. Resources of more than `max_characters`
    are left out of the file's metadata. None is no limit.
    """

    max_elements: int | None = None
    max_characters: int | None = None

    def print_attribute(self, attribute: Attribute) -> None:
        """Print an attribute, or that it is left out."""
        if self._is_too_large(attribute):
            self.print_string(f"dense_resource<{ELIDED}> : ")
            super().print_attribute(cast("Any", attribute).type)
        else:
            super().print_attribute(attribute)

    def _is_too_large(self, attribute: Attribute) -> bool:
        if self.max_elements is None or not isinstance(attribute, DenseIntOrFPElementsAttr):
            return False
        return math.prod(attribute.get_shape()) > self.max_elements and not attribute.is_splat()

    def print_metadata(self, dialects: Iterable[Dialect]) -> None:
        """Print the resources the module uses that are not too large."""
        if self.max_characters is None:
            super().print_metadata(dialects)
            return
        limit = self.max_characters
        kept = [_WithoutLargeResources(dialect, limit) for dialect in dialects]
        super().print_metadata(cast("Iterable[Dialect]", kept))


class _WithoutLargeResources:
    """A dialect as `Printer.print_metadata` sees it, that knows only of resources up to a length."""

    def __init__(self, dialect: Dialect, limit: int):
        self.name = dialect.name
        self._dialect = dialect
        self._limit = limit

    def has_interface(self, kind: Any) -> bool:
        return self._dialect.has_interface(kind)

    def get_interface(self, kind: Any) -> Any:
        self._resources = self._dialect.get_interface(kind)
        return self

    def build_resources(self, keys: Iterable[str]) -> dict[str, str]:
        assert self._resources is not None
        built = cast("dict[str, str]", self._resources.build_resources(keys))
        return {key: text for key, text in built.items() if len(text) <= self._limit}


@dataclass(frozen=True)
class TextTarget(MLIRTarget):
    """MLIR text, with large constants and resources left out if it is asked for."""

    elide_elements_over: int | None = None
    elide_resources_over: int | None = None

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        """Print a module."""
        if self.elide_elements_over is None and self.elide_resources_over is None:
            super().emit(ctx, module, output)
            return
        printer = self._printer(output)
        printer.print_op(module)
        printer.print_metadata(ctx.loaded_dialects)
        print("\n", file=output)

    def _printer(self, output: IO[str]) -> ElidingPrinter:
        printer = ElidingPrinter(
            output,
            print_generic_format=self.print_generic_format,
            print_properties_as_attributes=self.print_properties_as_attributes,
            print_debuginfo=self.print_debuginfo,
        )
        printer.max_elements = self.elide_elements_over
        printer.max_characters = self.elide_resources_over
        return printer

    def text_of(self, op: Operation) -> str:
        """An operation as it is printed between passes: in this form, without the file's resources."""
        stream = StringIO()
        self._printer(stream).print_op(op)
        return stream.getvalue()
