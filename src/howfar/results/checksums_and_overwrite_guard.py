"""Mark each file of a run with its run id and checksum, detect damaged and outdated files, and never replace foreign files."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar import registry
from howfar.errors import InputError, one_line
from howfar.io.embedded_checksum import SEAL, UNSEALED, is_intact, sealed
from howfar.io.file_location import ready_folder

if TYPE_CHECKING:
    import pandas as pd

RUN: Final = "run"
"""The id's name in a JSON document."""
MARK: Final = "howfar run"
"""The id's name in the metadata of Parquet, PNG, SVG and PDF files and of pages."""
PAGE: Final = "report.html"
PICTURES: Final = "figures"
ASSESSMENT: Final = "assessment.json"
"""The document of an assessment, which lies beside those of its comparison and its relation."""
BESIDE: Final = ("relation.parquet", "curves.parquet", "thresholds.parquet", "map.parquet", "map.json", "relation.json")
"""What lies beside a comparison and goes with it."""
_MARKED: Final = re.compile(rb"howfar run(?:\0| |\" content=\")([0-9a-f]{16}(?: [0-9a-f]{16})*)")
_WRITER: Final = b'<meta name="generator" content="howfar'
"""Stands at the beginning of each page that howfar wrote, of every version."""
_OWN: Final = re.compile(rb'"run": "[0-9a-f]{16}"|"provenance": \{')
"""Stands in each document that howfar wrote, the first in those of this version, the second in nearly all of earlier ones."""
_LOG: Final = logging.getLogger("howfar")
CHANGED: Final = "its bytes are not those that were written, by their checksum"
_HEAD: Final = 65_536
"""Bytes at the beginning of a picture or page in which its mark stands."""


def sealed_table(frame: pd.DataFrame, marks: Mapping[bytes, bytes], key: str = "", **options: Any) -> bytes:
    """Return the bytes of a table as Parquet with `marks` in the metadata, sealed under `key`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, buffer = pa.Table.from_pandas(frame, preserve_index=False), BytesIO()
    marked = {**(table.schema.metadata or {}), **marks, SEAL.encode(): UNSEALED.encode()}
    pq.write_table(table.replace_schema_metadata(marked), buffer, **options)
    return sealed(buffer.getvalue(), key)


def run_of_table(file: Path) -> str:
    """Return the run id in a Parquet file, "" for an earlier version's; raise `ValueError` naming a damaged file."""
    return _metadata(file).get(MARK.encode(), b"").decode("ascii", "replace")


def _metadata(table: Path) -> dict[bytes, bytes]:
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        return dict(pq.read_schema(table).metadata or {})
    except (ArrowException, OSError) as error:
        raise ValueError(f"{table.name} cannot be read as Parquet, {one_line(error)}") from error


def check_table(file: Path, key: str | None = None, *, required: bool = False) -> None:
    """Raise `ValueError` for a Parquet file whose checksum does not match, or, if `required`, without a checksum.

    `key` is that of the seal, by default the file's name.
    """
    intact = is_intact(file.read_bytes(), file.name if key is None else key)
    # Without the seal's text the metadata, which take longer to read, may still name one.
    if intact is False or (intact is None and (required or SEAL.encode() in _metadata(file))):
        raise ValueError(f"{file.name}: {CHANGED}")
    if intact is None:
        _log_unsealed()


def check_document(document: Mapping[str, Any], text: bytes, file: Path) -> None:
    """Raise `ValueError` for a JSON document with a checksum that does not match."""
    if SEAL in document and not is_intact(text):
        raise ValueError(f"{file.name}: {CHANGED}")
    if SEAL not in document:
        _log_unsealed()


@cache
def _log_unsealed() -> None:
    """Log, once, that files of earlier versions have no checksum."""
    _LOG.warning("note: files of an earlier howfar have no checksum, so that damage to them is not noticed")


def runs_of_picture(file: Path) -> tuple[str, ...]:
    """Return the run ids that a figure or page shows; () without any."""
    with file.open("rb") as opened:
        marked = _MARKED.search(opened.read(_HEAD))
    return tuple(marked[1].decode("ascii").split()) if marked else ()


def stale_pictures(root: Path, runs: Iterable[str]) -> list[Path]:
    """List the page and figures in a run folder that show a run other than the given ids.

    A page of an earlier version, which has no id, is among them; a picture without one may be anybody's, as is a page that
    howfar did not write.
    """
    pages = [] if _is_foreign(root / PAGE) else [root / PAGE]
    shown = {file: runs_of_picture(file) for file in (*pages, *sorted((root / PICTURES).glob("*.*"))) if file.is_file()}
    return [file for file, ids in shown.items() if not set(ids) <= set(runs) or (not ids and file.name == PAGE)]


def page_folder(argument: str, folder: str | Path | None, command: str, begun: str = "") -> Path | None:
    """Create the output folder of a command before any computation, and return its absolute path.

    A `begun` folder below it tells that the same command was stopped there before its end. Raises `InputError` as
    `howfar.io.file_location.ready_folder`, for a page in it that is not howfar's, and for the answer of another command.
    """
    root = ready_folder(argument, folder)
    if root is None:
        return None
    check_files(root, argument, page=True)
    if not (begun and (root / begun).is_dir()):
        # Another command's answer, whose document or page would be replaced.
        answers = {kind.DOCUMENT: kind.COMMAND for kind in every_result() if (root / kind.DOCUMENT).is_file()}
        if (root / ASSESSMENT).is_file():
            answers = {ASSESSMENT: "assess"}
        other = next((document for document, owner in answers.items() if owner != command), None)
        if other is not None:
            rule = f"must not hold the answer of howfar {answers[other]} ({other}), whose place another would take"
            remedy = f"name another folder: howfar {answers[other]} alone writes to this one"
            raise InputError.of(argument, rule, str(root), remedy)
    return root


def every_result() -> list[Any]:
    """Load every registered kind of result."""
    return [registry.load("results", name) for name in registry.ordered("results")]


def check_files(root: Path, argument: str = "folder", *, page: bool = False) -> None:
    """Raise `InputError` if howfar would replace a table or document, or a `page`, in a folder that is not its own."""
    foreign = PAGE if page and _is_foreign(root / PAGE) else _foreign_file(root)
    if foreign:
        rule = f"must not hold a {foreign} that howfar did not write, as its own would take that place"
        raise InputError.of(argument, rule, str(root), "name another folder, or move that file")


def _foreign_file(root: Path) -> str:
    """Return a file that a result would replace in a folder without a run; "" if there is none."""
    named = {name for kind in every_result() for name in (kind.DOCUMENT, *kind.TABLES.values())} | set(BESIDE)
    folder = next((name for name in sorted(named) if (root / name).is_dir()), "")
    if folder:
        return folder
    tables, documents = (
        [file for file in root.glob(name) if file.is_file() and file.stat().st_size] for name in ("*.parquet", "*.json")
    )
    for table in tables:
        with suppress(ValueError):
            if run_of_table(table):
                return ""
    whole = []
    for file in (file for file in documents if file.name in named):
        with suppress(ValueError, RecursionError):
            json.loads(file.read_bytes())
            whole.append(file)
    if any(_OWN.search(file.read_bytes()) for file in whole):
        return ""
    return next((file.name for file in sorted([*whole, *tables]) if file.name in named), "")


def _is_foreign(page: Path) -> bool:
    """Return whether a folder's page is not howfar's; an empty page, as a full disk leaves, does not count."""
    if not page.is_file():
        return page.exists()
    with page.open("rb") as opened:
        head = opened.read(_HEAD)
    return bool(head.strip()) and _WRITER not in head
