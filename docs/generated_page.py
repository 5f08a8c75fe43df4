"""Write the documentation's generated files, or check that they are current: what every docs/make_*.py with --check does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

CHECK = "--check"


def checking() -> bool:
    """Tell whether the script was asked to compare alone."""
    return CHECK in sys.argv[1:]


def leave(about: str | None, files: Mapping[Path, Callable[[], str]]) -> int:
    """Write each file's text, or with --check compare it with what is there; returns the script's exit code.

    Texts are made one after another, so that one may read the file before it.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(CHECK, action="store_true", help="write nothing, and fail where a file is not current")
    parser.parse_args()
    for file, make in files.items():
        text = make()
        if not checking():
            file.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != text:
            print(f"{file} is not current: run python docs/{Path(sys.argv[0]).name}", file=sys.stderr)
            return 1
    return 0
