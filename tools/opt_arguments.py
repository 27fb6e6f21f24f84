"""The command line of llmir-opt: mlir-opt's flags, xdsl-opt's, and a flag for every pass."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from llmir import __version__
from llmir.errors import UsageError
from llmir.passes.pipeline_text import suggestion
from llmir.tools.opt_registry import Registry
from llmir.universe import UNIVERSE

MARKER = "// -----"
"""Between the chunks of a file, for --split-input-file."""

WEIGHTS_ATTRIBUTE = "llm.weights"
"""The attribute of a module that names the file of its weights."""

EPILOG = """\
Every pass is also a flag: --NAME or --NAME="option=value ...". A module's weights are read from the
safetensors file its attribute llm.weights names. Exit status: 0 success, 1 bad input, 2 bad command line."""


def boolean(text: str) -> bool:
    """The value of a flag as mlir-opt takes it: `--verify-each=0`."""
    if text.lower() not in ("true", "1", "false", "0"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a flag's value, expected true or false")
    return text.lower() in ("true", "1")


def natural(text: str) -> int:
    """A number that is not negative."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a number, expected 0 or more")
    return int(text)


class ArgumentParser(argparse.ArgumentParser):
    """Reads llmir-opt's command line; UsageError where argparse prints its usage and leaves."""

    def __init__(self, registry: Registry):
        super().__init__(
            "llmir-opt",
            description="Reads MLIR text, runs passes, prints MLIR text or what a target makes of it.",
            allow_abbrev=False,
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.registry = registry
        self._bare: dict[str, str] = {}  # what a flag that takes a value only after '=' means without one
        self._add_input_and_output()
        self._add_passes()
        self._add_printing()
        self._add_diagnostics()
        self._add_accepted()

    def error(self, message: str) -> NoReturn:
        """UsageError in place of argparse's way out."""
        raise UsageError(message)

    # -- the flags --

    def _flag(self, group: Any, *names: str, default: bool = False, help: str = "") -> None:
        group.add_argument(*names, type=boolean, default=default, metavar="BOOL", help=help, nargs="?")
        self._bare |= dict.fromkeys(names, "true")

    def _add_input_and_output(self) -> None:
        group = self.add_argument_group("input and output")
        add = group.add_argument
        add("input_file", nargs="?", metavar="FILE", help="MLIR text; standard input if it is - or not given")
        add("-o", "--output-file", metavar="FILE", help="written only if everything succeeded")
        add("-t", "--target", default="mlir", help=f"what to print, one of {', '.join(self.registry.targets)}")
        add("-f", "--frontend", choices=["mlir"], default="mlir", help="how to read the input")
        add("--weights-output", metavar="FILE", help="write the weights to a safetensors file after the passes")
        add(
            "--split-input-file",
            metavar="MARKER",
            help=f"process the chunks between lines that begin with {MARKER}, or =MARKER, one by one",
        )
        self._bare["--split-input-file"] = MARKER
        flag = self._flag
        flag(group, "--allow-unregistered-dialect", help="take operations nobody defines, in the generic form")
        flag(group, "--no-implicit-module", help="the input must be a builtin.module, none is put around it")
        flag(group, "--verify-roundtrip", help="print the input in both forms, read them back, and compare")
        flag(group, "--disable-verify", help="verify nothing, neither the input nor after passes")
        flag(group, "--show-dialects", help="print the names of all dialects and stop")
        version_text = f"llmir-opt {__version__} (xDSL {version('xdsl')})"
        add("-v", "--version", action="version", version=version_text, help="print versions and stop")

    def _add_passes(self) -> None:
        group = self.add_argument_group("passes")
        group.add_argument(
            "-p",
            "--passes",
            "--pass-pipeline",
            action="append",
            default=[],
            metavar="PIPELINE",
            help="passes, as in a{x=1 y=b},c or builtin.module(a{x=1 y=b},func.func(c))",
        )
        group.add_argument(
            "--list-passes",
            nargs="?",
            const="",
            metavar="PREFIX",
            help="describe LLMIR's passes, or all whose names start with PREFIX, and stop",
        )
        flag = self._flag
        flag(group, "--verify-each", default=True, help="verify after each pass (the default)")
        flag(group, "--dump-pass-pipeline", help="print the pipeline with all options, to stderr")
        flag(group, "--time-passes", "--mlir-timing", help="report the time of each pass, to stderr")
        group.add_argument(
            "--mlir-pass-pipeline-crash-reproducer",
            metavar="FILE",
            help="when a pass fails, write the module before the passes, and the pipeline, to FILE",
        )
        flag(group, "--run-reproducer", help="run the pipeline that such a FILE names")

    def _add_printing(self) -> None:
        group = self.add_argument_group("printing")
        flag = self._flag
        flag(group, "--print-op-generic", "--mlir-print-op-generic", help="print operations in the generic form")
        flag(group, "--print-debuginfo", "--mlir-print-debuginfo", help="print locations")
        flag(group, "--print-no-properties", help="print properties among the attributes")
        flag(group, "--syntax-highlight", help="print in colours")
        for kind, elements in (
            ("elementsattrs", "constants of more than N elements without them"),
            ("resource-strings", "no resources of more than N characters"),
        ):
            name = f"--mlir-elide-{kind}-if-larger"
            group.add_argument(name, type=natural, metavar="N", help=f"print {elements}")
        for when in ("before", "after"):
            group.add_argument(
                f"--mlir-print-ir-{when}",
                action="append",
                default=[],
                metavar="PASS,...",
                help=f"print the IR {when} these passes, to stderr",
            )
        flag(group, "--mlir-print-ir-before-all", help="print the IR before each pass, to stderr")
        after_all = ("--mlir-print-ir-after-all", "--print-ir-after-all", "--print-between-passes")
        flag(group, *after_all, help="print the IR after each pass, to stderr")
        flag(group, "--mlir-print-ir-after-change", help="the same, only after passes that changed it")
        flag(group, "--mlir-print-ir-after-failure", help="print the IR a pass leaves that fails")
        flag(group, "--mlir-print-ir-module-scope", help="print the whole module after a nested pass too")

    def _add_diagnostics(self) -> None:
        group = self.add_argument_group("diagnostics")
        flag = self._flag
        flag(group, "--remarks", "--mlir-emit-remarks", help="print what passes have to say about operations")
        group.add_argument(
            "--verify-diagnostics",
            choices=["all", "only-expected"],
            help="succeed if the diagnostics are those that expected-error, -warning, -remark and -note lines say",
        )
        self._bare["--verify-diagnostics"] = "all"
        flag(
            group,
            "--mlir-print-op-on-diagnostic",
            default=True,
            help="show the operation too when the IR a pass made is wrong (the default)",
        )
        flag(group, "--parsing-diagnostics", help="as in xdsl-opt: a parse error is the output, and success")
        flag(group, "--shrink", help="as in xdsl-opt: success if a pass raised ShrinkException")

    def _add_accepted(self) -> None:
        group = self.add_argument_group("accepted for mlir-opt's sake, without effect")
        for name, about in {
            "--mlir-disable-threading": "passes run one after the other anyway",
            "--mlir-print-local-scope": "no aliases are printed anyway",
            "--mlir-print-stacktrace-on-diagnostic": "diagnostics name the input's lines",
        }.items():
            self._flag(group, name, help=about)

    # -- reading --

    def parse(self, args: Sequence[str]) -> argparse.Namespace:
        """The options of a command line; UsageError when it is wrong."""
        rest, elements = self._take_pass_flags(args)
        namespace, unknown = self.parse_known_args(list(self._normalized(rest)))
        if unknown:
            known = [*self._option_string_actions, *(f"--{name}" for name in self.registry.passes)]
            raise UsageError(f"unknown argument '{unknown[0]}'{suggestion(unknown[0], known)}")
        given = [*namespace.passes, *([",".join(elements)] if elements else [])]
        if len(given) > 1:
            raise UsageError("give passes in one way: with -p, with --pass-pipeline, or as flags")
        namespace.passes = given[0] if given else ""
        if namespace.input_file == "-":
            namespace.input_file = None
        if namespace.output_file == "-":
            namespace.output_file = None
        if namespace.weights_output and namespace.split_input_file:
            raise UsageError("--weights-output takes one module, --split-input-file makes several")
        if namespace.run_reproducer and namespace.passes:
            raise UsageError("--run-reproducer takes the passes from the file, give none")
        return namespace

    def _take_pass_flags(self, args: Sequence[str]) -> tuple[list[str], list[str]]:
        """Arguments that are not passes, and pipeline elements for `--NAME` and `--NAME=options`."""
        rest: list[str] = []
        elements: list[str] = []
        for arg in args:
            match = re.fullmatch(r"--?([\w-]+)(?:=(.*))?", arg, re.DOTALL)
            if match is None or match[1] not in self.registry.passes:
                rest.append(arg)
            else:
                elements.append(f"{match[1]}{{{match[2] or ''}}}")
        return rest, elements

    def _normalized(self, args: Sequence[str]) -> Iterator[str]:
        """Arguments with two dashes where one was given, as mlir-opt allows, and with the values of bare flags."""
        for arg in args:
            name, equals, _ = arg.partition("=")
            if len(name) > 2 and not name.startswith("--") and f"-{name}" in self._option_string_actions:
                name, arg = f"-{name}", f"-{arg}"
            yield f"{name}={self._bare[name]}" if name in self._bare and not equals else arg

    def format_help(self) -> str:
        """The flags, and LLMIR's passes with their options."""
        from llmir.passes.pass_documentation import describe_pass

        lines = [line for name in sorted(UNIVERSE.all_passes) for line in describe_pass(name, self.registry.passes)]
        others = ", ".join(sorted(set(self.registry.passes) - set(UNIVERSE.all_passes)))
        own = "".join(f"  {line}\n" for line in lines)
        return f"{super().format_help()}\nLLMIR's passes:\n{own}\nother passes (--list-passes PREFIX): {others}\n"
