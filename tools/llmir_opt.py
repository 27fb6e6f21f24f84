"""llmir-opt: reads MLIR text, runs passes, prints MLIR text or what a target makes of it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmir.dialects.collector import collector_paused
from llmir.errors import UsageError
from llmir.passes.pipeline_text import (
    ROOT,
    construct,
    dump_pipeline,
    parse_element,
    parse_pipeline,
    pass_text,
    suggestion,
)
from llmir.tools.opt_arguments import MARKER, WEIGHTS_ATTRIBUTE, ArgumentParser
from llmir.tools.opt_registry import Registry

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp
    from xdsl.passes import ModulePass
    from xdsl.utils.target import Target

    from llmir.passes.pass_manager import Instrument
    from llmir.program.context import LLMContext
    from llmir.tools.opt_diagnostics import Diagnostic
    from llmir.tools.opt_instruments import Timer
    from llmir.tools.opt_printing import TextTarget

INPUT = "<stdin>"


class OptTool:
    """One run of llmir-opt.

    `failures` counts the chunks of input that could not be processed; what was wrong is on stderr.
    """

    def __init__(self, args: Sequence[str]):
        self.registry = Registry()
        self.args = ArgumentParser(self.registry).parse(args)
        self.name: str = self.args.input_file or INPUT
        self.failures = 0

    def run(self) -> None:
        """Do what the command line asks for."""
        if self.args.list_passes is not None:
            sys.stdout.writelines(f"{line}\n" for line in self._listed_passes(self.args.list_passes))
        elif self.args.show_dialects:
            print(f"Available Dialects: {','.join(sorted(self.registry.dialects))}")
        else:
            self._process_input()

    def _listed_passes(self, prefix: str) -> Iterator[str]:
        from llmir.passes.pass_documentation import describe_pass
        from llmir.universe import UNIVERSE

        names = [n for n in self.registry.passes if n.startswith(prefix)] if prefix else list(UNIVERSE.all_passes)
        if not names:
            raise UsageError(f"no pass has a name that starts with '{prefix}'")
        for name in sorted(names):
            yield from describe_pass(name, self.registry.passes)

    def _process_input(self) -> None:
        """Process every chunk. An output file is written only when all of them succeeded."""
        with collector_paused():
            self._set_up()
        outputs = [text for chunk in self._chunks() if (text := Chunk(self, chunk).process()) is not None]
        text = f"{MARKER}\n".join(outputs)
        with self.measure("Output"):
            if self.args.output_file is None:
                sys.stdout.write(text)
                sys.stdout.flush()
            elif not self.failures:
                write_text(Path(self.args.output_file), text)
        if self.timer is not None:
            print(self.timer.report(), end="", file=sys.stderr)

    # -- what all chunks share --

    def _set_up(self) -> None:
        from llmir.tools.opt_instruments import Timer

        self.timer: Timer | None = Timer() if self.args.time_passes else None
        ctx = self.new_context()
        self.target = self._target()
        self.text_target = self._text_target()
        self.passes = self.parse_passes(self.args.passes, ctx)
        self._check_dump_names()
        if self.args.dump_pass_pipeline:
            print(f"Pass Manager with {len(self.passes)} passes:\n{dump_pipeline(self.passes)}\n", file=sys.stderr)

    def new_context(self) -> LLMContext:
        """A context that knows every dialect and has seen nothing."""
        from llmir.program.context import LLMContext

        ctx = LLMContext(allow_unregistered=self.args.allow_unregistered_dialect)
        self.registry.register_dialects(ctx)
        return ctx

    def parse_passes(self, text: str, ctx: LLMContext) -> tuple[ModulePass, ...]:
        """The passes of a pipeline; UsageError says what is wrong with it."""
        from llmir.passes.pass_manager import check_anchors

        passes = parse_pipeline(text, self.registry.passes)
        check_anchors(passes, ctx)
        return passes

    def _check_dump_names(self) -> None:
        for name in (*self.dump_names("before"), *self.dump_names("after")):
            if name not in self.registry.passes:
                near = suggestion(name, self.registry.passes)
                raise UsageError(f"cannot print the IR around '{name}', which is not a pass{near}")

    def dump_names(self, when: str) -> list[str]:
        """The passes that --mlir-print-ir-before and -after name."""
        given: list[str] = getattr(self.args, f"mlir_print_ir_{when}")
        return [name.strip() for names in given for name in names.split(",")]

    def _target(self) -> Target:
        element = parse_element(self.args.target)
        if element.name not in self.registry.targets:
            near = suggestion(element.name, self.registry.targets)
            names = ", ".join(self.registry.targets)
            raise UsageError(f"unknown target '{element.name}'{near or f', expected one of {names}'}")
        target = construct(self.registry.targets[element.name](), element, f"target '{element.name}'")
        return self._text_target(target) if element.name == "mlir" else target

    def _text_target(self, base: Any = None) -> TextTarget:
        """MLIR text as the flags want it; `base` is a target with what `-t mlir{...}` wants."""
        from llmir.tools.opt_printing import TextTarget

        wanted: dict[str, Any] = {
            "print_generic_format": self.args.print_op_generic,
            "print_properties_as_attributes": self.args.print_no_properties,
            "print_debuginfo": self.args.print_debuginfo,
            "syntax_highlight": self.args.syntax_highlight,
        }
        asked = {} if base is None else {field.name: getattr(base, field.name) for field in fields(base)}
        return TextTarget(
            **{key: value or asked.get(key, False) for key, value in wanted.items()},
            elide_elements_over=self.args.mlir_elide_elementsattrs_if_larger,
            elide_resources_over=self.args.mlir_elide_resource_strings_if_larger,
        )

    def measure(self, what: str) -> Any:
        """A context that adds its time to the report, if there is one."""
        return nullcontext() if self.timer is None else self.timer.measure(what)

    def _chunks(self) -> list[str]:
        """The chunks of the input, each behind as many empty lines as precede it, to keep positions."""
        path = self.args.input_file
        data = sys.stdin.buffer.read() if path is None else Path(path).read_bytes()
        try:
            text = data.decode()
        except UnicodeDecodeError as e:
            raise ValueError(f"{self.name}: not MLIR text, byte {e.start} is not UTF-8") from e
        marker = self.args.split_input_file
        if marker is None:
            return [text]
        separators = list(re.finditer(rf"^{re.escape(marker)}.*$", text, re.MULTILINE))
        starts = [0, *(s.end() for s in separators)]
        ends = [*(s.start() for s in separators), len(text)]
        return ["\n" * text.count("\n", 0, start) + text[start:end] for start, end in zip(starts, ends, strict=True)]


class Chunk:
    """A part of the input, and what becomes of it."""

    def __init__(self, tool: OptTool, text: str):
        self.tool = tool
        self.args = tool.args
        self.text = text
        self.context = tool.new_context()
        self.passes = tool.passes
        self.verify_each: bool = self.args.verify_each
        self.diagnostics: list[Diagnostic] = []

    def process(self) -> str | None:
        """The output, or None after reporting what is wrong."""
        from llmir.tools.opt_diagnostics import USER_ERRORS, diagnose
        from llmir.tools.opt_instruments import Running

        self.running = Running()
        output: str | None = None
        try:
            output = self._output()
        except USER_ERRORS as e:
            found = diagnose(e, self.running.name)
            if self.args.parsing_diagnostics and self.running.parsing:
                return "".join(f"{self._rendered(d)}\n" for d in found)
            for diagnostic in found:
                self.emit(diagnostic)
            self.tool.failures += not self.args.verify_diagnostics
        if self.args.verify_diagnostics:
            self._compare_diagnostics()
        return output

    def _output(self) -> str:
        from llmir.tools.opt_diagnostics import verify

        self.running.parsing = True
        with self.tool.measure("Parser"), collector_paused():
            module = self._parse()
        self.running.parsing = False
        if not self.args.disable_verify:
            with self.tool.measure("Verifier"):
                verify(module)
        if self.args.verify_roundtrip:
            self._verify_roundtrip(module)
        self._open_weights(module)
        self._run_passes(module)
        self._save_weights(module)
        with self.tool.measure("Output"):
            stream = StringIO()
            self.tool.target.emit(self.context, module, stream)
            return stream.getvalue()

    # -- diagnostics --

    def emit(self, diagnostic: Diagnostic) -> None:
        """Print a diagnostic, or keep it to be compared with the expected ones."""
        if self.args.verify_diagnostics:
            self.diagnostics.append(diagnostic)
        elif diagnostic.severity != "remark" or self.args.remarks:
            print(self._rendered(diagnostic), file=sys.stderr)

    def _rendered(self, diagnostic: Diagnostic) -> str:
        from dataclasses import replace

        from llmir.tools.opt_diagnostics import SEE_OPERATION, render

        if not self.args.mlir_print_op_on_diagnostic:
            notes = tuple(n for n in diagnostic.notes if not n.message.startswith(SEE_OPERATION))
            diagnostic = replace(diagnostic, notes=notes)
        return render(diagnostic, self.tool.name, self.text.split("\n") if diagnostic.place else None)

    def _compare_diagnostics(self) -> None:
        from llmir.tools.opt_diagnostics import with_notes
        from llmir.tools.opt_expectations import expectations, mismatches

        expected, unreadable = expectations(self.text, self.tool.name)
        said = [inner for diagnostic in self.diagnostics for inner in with_notes(diagnostic)]
        only = self.args.verify_diagnostics == "only-expected"
        wrong = [*unreadable, *mismatches(expected, said, self.tool.name, only_expected=only)]
        for diagnostic in wrong:
            print(self._rendered(diagnostic), file=sys.stderr)
        self.tool.failures += bool(wrong)

    # -- reading --

    def _parse(self) -> ModuleOp:
        from xdsl.utils.exceptions import ParseError

        from llmir.dialects.parser import LLMParser
        from llmir.tools.opt_diagnostics import Diagnosed, parse_diagnostic

        try:
            parser = LLMParser(self.context, self.text, self.tool.name)
            module, errors = parser.parse_noting_errors(not self.args.no_implicit_module)
        except ParseError as e:  # the first word is none
            raise Diagnosed([parse_diagnostic(e)]) from e
        except RecursionError as e:
            raise ValueError(f"{self.tool.name}: nested too deeply") from e
        if module is None or errors:
            raise Diagnosed(parse_diagnostic(e) for e in errors)
        if self.args.run_reproducer:
            from llmir.tools.opt_reproducer import reproduced_pipeline

            pipeline, verify_each = reproduced_pipeline(parser.external_resources, self.tool.name)
            self.passes = self.tool.parse_passes(pipeline, self.context)
            self.verify_each = self.verify_each and verify_each
        return module

    def _verify_roundtrip(self, module: ModuleOp) -> None:
        from llmir.tools.opt_roundtrip import verify_roundtrip

        with self.tool.measure("Roundtrip"):
            verify_roundtrip(module, self.context, self.tool.new_context, self.tool.name)

    # -- passes --

    def _run_passes(self, module: ModuleOp) -> None:
        from llmir.passes.pass_manager import run_passes

        if not self.passes:
            return
        with self._reproducing(module):
            run_passes(self.passes, self.context, module, self._instruments(module))

    def _instruments(self, module: ModuleOp) -> list[Instrument]:
        """Those that are asked for; after a pass they are called in the opposite order."""
        from llmir.tools.opt_instruments import IRPrinter, Verifier

        found: list[Instrument] = [self.running]
        if self.args.verify_diagnostics or self.args.remarks:
            from llmir.tools.opt_remarks import RemarkCollector

            found.append(RemarkCollector(module, self.emit))
        if self.verify_each and not self.args.disable_verify:
            found.append(Verifier(self.tool.measure))
        before_all, after_all = self.args.mlir_print_ir_before_all, self.args.mlir_print_ir_after_all
        changes, failures = self.args.mlir_print_ir_after_change, self.args.mlir_print_ir_after_failure
        before, after = frozenset(self.tool.dump_names("before")), frozenset(self.tool.dump_names("after"))
        if before or after or before_all or after_all or changes or failures:
            found.append(
                IRPrinter(
                    sys.stderr,
                    self.tool.text_target,
                    None if before_all else before,
                    None if after_all or (changes and not after) else after,
                    only_changes=changes,
                    failures=failures,
                    module_scope=self.args.mlir_print_ir_module_scope,
                )
            )
        if self.tool.timer is not None:
            found.append(self.tool.timer)
        return found

    @contextmanager
    def _reproducing(self, module: ModuleOp) -> Generator[None]:
        """Write a reproducer, if it is wanted, when what is done inside fails."""
        file = self.args.mlir_pass_pipeline_crash_reproducer
        if file is None:
            yield
            return
        before = self._reproducer(module)
        try:
            yield
        except Exception:
            write_text(Path(file), before)
            self._note_reproducer(file)
            raise

    def _reproducer(self, module: ModuleOp) -> str:
        from xdsl.targets.mlir import MLIRTarget

        from llmir.tools.opt_reproducer import reproducer_text

        stream = StringIO()
        MLIRTarget(print_generic_format=self.args.print_op_generic).emit(self.context, module, stream)
        pipeline = f"{ROOT}({','.join(map(pass_text, self.passes))})"
        return reproducer_text(stream.getvalue(), pipeline, verify_each=self.verify_each)

    def _note_reproducer(self, file: str) -> None:
        from llmir.tools.opt_diagnostics import Diagnostic

        item, op = self.running.item, self.running.op
        where = f"'{item.name}' on '{op.name}' operation" if item and op else "the passes"
        note = Diagnostic("note", f"Pipeline failed while executing {where}: reproducer generated at `{file}`")
        self.emit(
            Diagnostic("error", "Failures have been detected while processing an MLIR pass pipeline", notes=(note,))
        )

    # -- weights --

    def _open_weights(self, module: ModuleOp) -> None:
        if not self.passes and WEIGHTS_ATTRIBUTE not in module.attributes and self.args.weights_output is None:
            return  # what opens weights takes its time to import
        from llmir.tools.opt_weights import open_tokenizer, open_weights

        path = self.args.input_file
        folder = Path() if path is None else Path(path).parent
        self.context.weights = open_weights(module, folder, self.tool.name)
        self.context.tokenizer = open_tokenizer(folder)

    def _save_weights(self, module: ModuleOp) -> None:
        from llmir.tools.opt_diagnostics import Diagnostic

        store = self.context.weights
        if self.args.weights_output is None:
            if store.changed:
                message = "the passes changed the weights, which are not saved; --weights-output FILE writes them"
                self.emit(Diagnostic("warning", message))
            return
        from llmir.tools.opt_weights import name_weights, save_weights

        output = Path(self.args.weights_output)
        module_file = None if self.args.output_file is None else Path(self.args.output_file)
        name = name_weights(output, module_file)
        save_weights(module, store, output, self.tool.name, name)


def write_text(path: Path, text: str) -> None:
    """Write a file, complete or not at all; what is not a file, such as a pipe, is written to as it is."""
    from llmir.program.files import new_file

    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_text(text)
        return
    with new_file(path) as file:
        file.write(text.encode())


def main(argv: Sequence[str] | None = None) -> int:
    """Run llmir-opt; returns the exit status: 0 success, 1 wrong input, 2 wrong command line."""
    from xdsl.utils.exceptions import ShrinkException

    try:
        tool = OptTool(sys.argv[1:] if argv is None else argv)
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
        from llmir.tools.opt_diagnostics import USER_ERRORS, diagnose, render

        if not isinstance(e, USER_ERRORS):
            raise
        print("\n".join(map(render, diagnose(e))), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
