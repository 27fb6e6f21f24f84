"""`llmir`: quantize, measure, run and look at language models."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import click

from llmir import __version__
from llmir.errors import InputError, UsageError
from llmir.tools.quantize_options import quantize_options

BACKENDS = ("auto", "native", "numpy", "reference")
KV_CACHES = ("f16", "f32", "i8", "f8")
ACTIVATIONS = ("bf16", "i8")

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


def backend_options(command: Command) -> Command:
    """What runs a model and how: `--backend`, `--kv-cache`, `--activations`, `--target`, `--threads`."""
    options = (
        click.option(
            "--backend",
            type=click.Choice(BACKENDS),
            default="auto",
            show_default=True,
            help="What runs the model; auto: native code if it can run this model, else numpy.",
        ),
        click.option(
            "--kv-cache",
            type=click.Choice(KV_CACHES),
            help="Type of cached keys and values (native: f16 unless said otherwise; numpy: f32).",
        ),
        click.option(
            "--activations",
            type=click.Choice(ACTIVATIONS),
            help="Round inputs of layers to bf16 (native), or to 8-bit codes with a scale for each 32, as llama.cpp "
            "does (default: neither; they are what the program says).",
        ),
        click.option(
            "--target",
            metavar="NAME",
            help="What native code is generated for: x86-avx2, x86-avx512-vnni+bf16, scalar, ... (default: the best "
            "this processor is).",
        ),
        click.option(
            "--threads",
            type=click.IntRange(1),
            callback=set_threads,
            is_eager=True,
            help="Threads (default: all physical cores).",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


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
@click.option("--no-weights", is_flag=True, help="Read config.json only: a program without values, to plan with.")
@threads_option
@json_option
def import_(**arguments: Any) -> None:
    """Turn MODEL into a program folder: text IR, weights, tokenizer."""
    from llmir.tools.import_command import run

    run(**arguments)


@cli.command()
@click.argument("model")
@click.option("-o", "--output", metavar="OUT", help="Folder of the quantized program, or a .mllm file.")
@quantize_options
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


@cli.command()
@click.argument("model")
@click.option("-o", "--output", metavar="OUT", help="Folder of the measured program (default: MODEL itself).")
@click.option("--text", metavar="FILE", help="UTF-8 text; 'demo' is the demo's text.")
@click.option("--tokens", metavar="FILE", help="Token ids instead of text: .npy or whitespace-separated.")
@click.option("--samples", "--nsamples", type=click.IntRange(1), default=16, show_default=True, help="Windows.")
@click.option("--context", "--seqlen", type=click.IntRange(2), default=512, show_default=True, help="Their tokens.")
@threads_option
@json_option
def calibrate(**arguments: Any) -> None:
    """Measure input scales of MODEL, a program made with -q ..._max_calibrate, and store them in its weights."""
    from llmir.tools.calibrate_command import run

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
@backend_options
@json_option
def evaluate(**arguments: Any) -> None:
    """Measure the perplexity of MODEL."""
    from llmir.tools.eval_command import run

    run(**arguments)


@cli.command("run")
@click.argument("model")
@click.option("-p", "--prompt", required=True, help="Text to continue; special tokens in it are recognized.")
@click.option("-n", "--tokens", type=click.IntRange(1), default=128, show_default=True, help="Tokens at most.")
@click.option("--chat", is_flag=True, help="Put the prompt into the model's chat template.")
@click.option("--temperature", type=float, default=0.0, show_default=True, help="0 takes the most likely token.")
@click.option("--top-k", type=int, default=0, show_default=True, help="Draw from the K most likely tokens; 0: all.")
@click.option("--top-p", type=float, default=1.0, show_default=True, help="Draw from the fewest that sum to P.")
@click.option("--min-p", type=float, default=0.0, show_default=True, help="Draw from those P times the likeliest's.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draws.")
@click.option("--stop", multiple=True, metavar="TEXT", help="End before this text; may be repeated.")
@click.option("--stop-id", type=int, multiple=True, metavar="ID", help="End before this token; may be repeated.")
@backend_options
@json_option
def run_(**arguments: Any) -> None:
    """Generate text with MODEL."""
    from llmir.tools.run_command import run

    run(**arguments)


@cli.command()
@click.argument("model")
@click.option("--prefill", type=click.IntRange(1), multiple=True, help="Tokens read at once (default: 128 and 512).")
@click.option("--context", type=click.IntRange(0), multiple=True, help="Decode behind so many (default: 16 and 1024).")
@click.option("-n", "--tokens", type=click.IntRange(1), default=16, show_default=True, help="Tokens of a decode.")
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Bursts of each kind.")
@backend_options
@json_option
def bench(**arguments: Any) -> None:
    """Measure how fast MODEL runs, and what part of this machine's bandwidth and int8 peak that is."""
    from llmir.tools.bench_command import run

    run(**arguments)


def number_list(_ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    """`1,512`."""
    numbers = value.split(",")
    if not all(n.strip().isdecimal() and int(n) > 0 for n in numbers):
        raise click.BadParameter(f"'{value}' is no list of numbers of at least 1, 1,512 for one", param=param)
    return tuple(map(int, numbers))


@cli.command()
@click.argument("model")
@click.option(
    "--rows",
    default="1,256",
    show_default=True,
    metavar="N,...",
    callback=number_list,
    help="Tokens at once that count: 1 for writing, more for reading a prompt.",
)
@click.option(
    "--budget-seconds",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="About how long to measure.",
)
@click.option("--again", is_flag=True, help="Measure again what was measured before.")
@click.option("--print", "print_ir", is_flag=True, help="Print the schedules as IR and nothing else.")
@click.option(
    "--activations",
    type=click.Choice(ACTIVATIONS),
    help="Tune for inputs of layers rounded to bf16, or to 8-bit codes with a scale for each 32 (default: neither).",
)
@click.option(
    "--target",
    metavar="NAME",
    help="What native code is generated for (default: the best this processor is).",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    callback=set_threads,
    is_eager=True,
    help="Threads that share a product (default: all physical cores).",
)
@json_option
def tune(**arguments: Any) -> None:
    """Find the schedules with which MODEL's matrix products run fastest on this machine, and keep them."""
    from llmir.tools.tune_command import run

    run(**arguments)


@cli.command("compile")
@click.argument("model")
@click.option("-o", "--output", required=True, metavar="OUT", help="Folder for library, header and packed weights.")
@click.option("--target", metavar="T", help="Processor to compile for, arm-neon-dotprod for one (default: this one).")
@click.option("--name", default="model", show_default=True, help="What names of files and C functions begin with.")
@click.option(
    "--emit",
    type=click.Choice(["library", "object"]),
    default="library",
    show_default=True,
    help="A shared library, which takes a linker, or an object file.",
)
@click.option(
    "--kv-cache", type=click.Choice(KV_CACHES), default="f16", show_default=True, help="Type of cached keys and values."
)
@click.option(
    "--activations",
    type=click.Choice(ACTIVATIONS),
    help="Round inputs of layers to bf16, or to 8-bit codes with a scale for each 32 (default: neither).",
)
@threads_option
@json_option
def compile_(**arguments: Any) -> None:
    """Compile MODEL to a library that C programs can use, without LLMIR or Python."""
    from llmir.tools.compile_command import run

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
        if e.errno == errno.ENOMEM:  # a map, such as the native backend's cache
            fail(f"out of memory: {e.strerror}", 1)
        fail(f"{e.filename or 'system'}: {e.strerror or e}", 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
