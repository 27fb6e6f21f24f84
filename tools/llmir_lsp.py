"""llmir-lsp: a language server for MLIR text with LLMIR's dialects, over standard input and output."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from llmir import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until the editor says exit; returns the exit status, 1 when pygls is not installed."""
    parser = argparse.ArgumentParser("llmir-lsp", description=__doc__)
    parser.add_argument("--stdio", action="store_true", help="talk over standard input and output (the default)")
    parser.add_argument("-v", "--version", action="version", version=f"llmir-lsp {__version__}")
    parser.parse_args(argv)
    try:
        from llmir.tools.lsp_server import make_server
    except ModuleNotFoundError as e:
        if (e.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        print("llmir-lsp: error: needs pygls; install it with pip install 'llmir-compiler[lsp]'", file=sys.stderr)
        return 1
    logging.basicConfig(level=logging.ERROR)  # editors show what a server writes to standard error
    make_server().start_io()
    return 0


if __name__ == "__main__":
    sys.exit(main())
