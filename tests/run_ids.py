"""The ids that a document in a run folder has beside what the command prints."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from howfar.io.embedded_checksum import UNSEALED, sealed
from howfar.results.checksums_and_overwrite_guard import MARK, run_of_table, sealed_table


def written(document: Path) -> dict[str, Any]:
    """Read a document without the ids of its run and of what that was made of; it must have its own."""
    read: dict[str, Any] = json.loads(document.read_text(encoding="utf-8"))
    assert len(read["run"]) == 16
    return {name: value for name, value in read.items() if name not in ("run", "parents", "runs_of", "seal")}


def rewrite(frame: pd.DataFrame, file: Path) -> None:
    """Write a changed table of a run, under the id that it had."""
    file.write_bytes(sealed_table(frame, {MARK.encode(): run_of_table(file).encode()}, file.name))


def rewrite_text(document: Path, change: Callable[[str], str]) -> None:
    """Write a changed document, with a seal that fits it."""
    text = re.sub(r"howfar-xxh3:\w{16}", UNSEALED, document.read_text(encoding="utf-8"))
    document.write_bytes(sealed(change(text).encode()))
