"""Coverage-guided fuzzing with atheris: `python tests/fuzz/run.py TARGET --seconds N` (`pip install atheris`).

Starts from tests/fuzz/corpus/TARGET; inputs that reach new code go to build/fuzz/TARGET, where the next run finds
them. Stops at the first input that raises what its target does not document and writes it to
tests/fuzz/corpus/TARGET/crash-*, where it stays once the fault is repaired: `test_corpus.py` replays the corpus.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> None:
    """Fuzz one target."""
    import atheris  # pyright: ignore[reportMissingImports, reportMissingModuleSource]

    with atheris.instrument_imports(include=["llmir", "xdsl", "lark"]):  # pyright: ignore
        sys.path[:0] = [str(FOLDER.parents[0]), str(FOLDER.parents[1])]
        from fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--max-length", type=int, default=4096)
    chosen = parser.parse_args()
    corpus = FOLDER / "corpus" / chosen.target
    found = FOLDER.parents[1] / "build" / "fuzz" / chosen.target
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={chosen.seconds}", f"-max_len={chosen.max_length}", "-timeout=20", "-rss_limit_mb=4096"]
    dictionary = FOLDER / f"{chosen.target}.dict"
    if dictionary.exists():
        limits.append(f"-dict={dictionary}")
    atheris.Setup(
        [sys.argv[0], str(found), str(corpus), f"-artifact_prefix={corpus}/", *limits], TARGETS[chosen.target]
    )  # pyright: ignore
    atheris.Fuzz()  # pyright: ignore


if __name__ == "__main__":
    main()
