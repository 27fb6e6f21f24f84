"""`llmir`: quantize, measure, run and look at language models."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import click

from llmir import __version__
from llmir.errors import InputError, UsageError

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def set_threads(_ctx: click.Context, _param: click.Parameter, value: int | None) -> int | None:
    """Tell the matrix libraries before NumPy is imported; commands import everything else later."""
    if value is not None:
        for name in THREAD_VARIABLES:
            os.environ[name] = str(value)
    return value


Command = Callable[..., Any]


def json_option(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")(command)


def threads_option(command: Command) -> Command:
    """`--threads`."""
    help = "Threads of the matrix products (default: all cores)."
    return click.option(
        "--threads",
        type=click.IntRange(1),
        callback=set_threads,
        is_eager=True,
        expose_value=False,
        help=help,
    )(command)


def backend_option(command: Command) -> Command:
    """`--backend`."""
    choice = click.Choice(["numpy"])
    return click.option("--backend", type=choice, default="numpy", show_default=True, help="What runs the model.")(
        command
    )


def output_option(command: Command) -> Command:
    """`-o`."""
    return click.option("-o", "--output", required=True, metavar="OUT", help="Folder of the new program.")(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="llmir")
def cli() -> None:
    """A quantization compiler for large language models.

    MODEL is `demo`, a program folder, a Hugging Face folder or a .gguf file.
    """


@cli.command("import")
@click.argument("model")
@output_option
@click.option("--dequantize", is_flag=True, help="Read quantized tensors of a GGUF file as float32.")
@threads_option
@json_option
def import_(**arguments: Any) -> None:
    """Turn MODEL into a program folder: text IR, weights, tokenizer."""
    from llmir.tools.import_command import run

    run(**arguments)


@cli.command()
@click.argument("model")
@click.option("-o", "--output", metavar="OUT", help="Folder of the quantized program.")
@click.option(
    "-q",
    "--scheme",
    metavar="SCHEME",
    help="Scheme name: q4f16_1, W4A16, W8A8, FP8, ... (see docs/schemes.md).",
)
@click.option("--weight-bit-width", type=click.IntRange(2, 8), metavar="N", help="Bits of a weight, 2 to 8.")
@click.option("--weight-type", metavar="TYPE", help="Element type of weights: i4, ui4, f8E4M3FN, ...")
@click.option("--weight-scale", metavar="TYPE", help="Float type of weight scales: f16, bf16, f32.")
@click.option(
    "--weight-zero-point",
    metavar="TYPE",
    help="Type of weight zero points: ui4, f16, ...; 'none' for symmetric.",
)
@click.option("--weight-min", metavar="TYPE", help="Float type of weight minima, instead of zero points.")
@click.option("--weight-granularity", metavar="G", help="per_tensor, per_channel or per_group.")
@click.option(
    "--group-size",
    "--weight-group-size",
    type=click.IntRange(1),
    metavar="N",
    help="Weights that share a scale.",
)
@click.option("--weight-method", metavar="M", help="How weight scales are chosen: absmax, minmax, mse, mlc.")
@click.option("--pad", "--weight-pad", is_flag=True, help="Allow a last group shorter than the group size.")
@click.option("--quantize-last-layer", is_flag=True, help="Quantize lm_head too.")
@click.option("--quantize-embedding", is_flag=True, help="Quantize the embedding too.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Layers to leave alone, by name or glob; may be repeated.",
)
@click.option(
    "--calibration",
    metavar="FILE",
    help="Text (or .npy token ids) for static input scales; 'demo' for the demo's text.",
)
@click.option(
    "--statistic",
    default="minmax",
    show_default=True,
    metavar="S",
    help="absmax, minmax, percentile, moving_average.",
)
@click.option("--samples", type=click.IntRange(1), default=16, show_default=True, help="Calibration windows.")
@click.option(
    "--context",
    type=click.IntRange(2),
    default=512,
    show_default=True,
    help="Tokens of a calibration window.",
)
@click.option("--target", default="numpy", show_default=True, help="Check that this target can run the result.")
@click.option("--print-pipeline", is_flag=True, help="Print the pass pipeline and stop.")
@click.option("--resume", is_flag=True, help="Continue an interrupted run with the same source and options.")
@click.option("--dry-run", is_flag=True, help="Say what would be done to each layer, write nothing.")
@threads_option
@json_option
def quantize(**arguments: Any) -> None:
    """Quantize MODEL into a program folder."""
    from llmir.tools.quantize_command import run

    run(**arguments)


@cli.command("eval")
@click.argument("model")
@click.option("--text", metavar="FILE", help="UTF-8 text; 'demo' is the demo's held-out text.")
@click.option("--tokens", metavar="FILE", help="Token ids instead of text: .npy or whitespace-separated.")
@click.option("--context", type=click.IntRange(2), default=512, show_default=True, help="Tokens in a window.")
@click.option("--max-tokens", type=click.IntRange(2), help="Use only the first N tokens.")
@click.option(
    "--bos",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="BOS in front of each window; auto: as the tokenizer's configuration asks.",
)
@click.option("--reference", metavar="MODEL", help="Also compare with this model's predictions.")
@backend_option
@threads_option
@json_option
def evaluate(**arguments: Any) -> None:
    """Measure the perplexity of MODEL."""
    from llmir.tools.eval_command import run

    run(**arguments)


@cli.command("run")
@click.argument("model")
@click.option("--prompt", required=True, help="Text to continue; special tokens in it are recognized.")
@click.option("-n", "--tokens", type=click.IntRange(1), default=128, show_default=True, help="Tokens at most.")
@click.option("--chat", is_flag=True, help="Put the prompt into the model's chat template.")
@click.option("--temperature", type=float, default=0.0, show_default=True, help="0 takes the most likely token.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draws.")
@backend_option
@threads_option
@json_option
def run_(**arguments: Any) -> None:
    """Generate text with MODEL."""
    from llmir.tools.run_command import run

    run(**arguments)


@cli.command()
@click.argument("model")
@click.option("--tensors", is_flag=True, help="One row for each tensor.")
@threads_option
@json_option
def inspect(**arguments: Any) -> None:
    """Show what MODEL's weights are and what they cost."""
    from llmir.tools.inspect_command import run

    run(**arguments)


def fail(message: str, status: int) -> NoReturn:
    """One line on standard error, and the exit status."""
    click.echo(f"llmir: error: {' '.join(message.split())}", err=True)
    raise SystemExit(status)


def main(arguments: list[str] | None = None) -> int:
    """Run a command line, an empty one shows the help; exit status 1 for bad input, 2 for wrong usage."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's; values that are not finite end as errors
            cli.main(given or ["--help"], prog_name="llmir", standalone_mode=False)
    except UsageError as e:
        fail(str(e), 2)
    except InputError as e:
        fail(str(e), 1)
    except click.ClickException as e:
        fail(e.format_message(), e.exit_code)
    except (click.Abort, KeyboardInterrupt) as e:
        said = str(e.__cause__ or e)
        fail(f"interrupted; {said}" if said else "interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError as e:
        fail(f"out of memory: {e}", 1)
    except OSError as e:
        fail(f"{e.filename or 'system'}: {e.strerror or e}", 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
