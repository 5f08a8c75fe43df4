"""Read lists of images: a text file with one image on a line, or a table with a column `image`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from howfar.data.table import read_columns
from howfar.errors import InputError, MissingPathError, one_line
from howfar.io.location import absolute
from howfar.printable import printable, written_out

TABLES = (".csv", ".parquet", ".pq")
# Controls and line breaks, what is not UTF-8, blanks at an end, and the mark that some programs put before UTF-8.
_NO_LINE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|^[\\s\ufeff]+|\\s+$")


def list_line(path: str) -> str:
    r"""Write a path as one line of a list, so that other programs open what stands there.

    It stands as it is, in every script, with blanks and backslashes. What a line of text cannot hold is written out: controls
    and line breaks (``\n``, ``\x1b``), bytes that are not UTF-8 (``\xff``), blanks at an end (``\x20``). `match_list` finds the
    image by it; for other programs such a file has to be renamed.

    Examples
    --------
    >>> list_line("/道路/a b\u200b.png"), list_line("/a\n.png"), list_line("/a.png ")
    ('/道路/a b\u200b.png', '/a\\n.png', '/a.png\\x20')
    """
    return _NO_LINE.sub(lambda found: "".join(map(_escape, found[0])), path)


def _escape(character: str) -> str:
    return "\\x20" if character == " " else written_out(character)


def read_list(path: str | Path) -> tuple[str, ...]:
    r"""Read the images that a list names, as it writes them: names or paths, whether they are there or not.

    A list that howfar wrote has one image a line, whatever its name: what a line cannot hold is written out as by `list_line`,
    and `match_list` finds the image by it.

    A file named ``.csv``, ``.parquet`` or ``.pq`` is a table, whose column ``image`` counts. Any other is UTF-8 text with one
    image a line; empty lines are left out. Raises `MissingPathError` where there is no such file, and `InputError` where it is
    no text, or a table without that column.
    """
    file = absolute(path)
    if not file.is_file():
        raise MissingPathError(f"no list of images at {file}: check the path")
    if file.suffix.lower() in TABLES:
        return tuple(cell for cell in read_columns(file)["image"] if cell)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file} is not a readable list ({one_line(error, 120)}): pass UTF-8 text with one image a line"
        ) from error
    return tuple(line.strip() for line in lines if line.strip())


def match_list(entries: Iterable[str], names: Sequence[str], paths: Sequence[str]) -> list[int | None]:
    """Find the image that each entry of a list names, by its name in the dataset or by its path; None where it is none.

    `names` and `paths` are those of the dataset's images, in the same order; a path may be empty. The indices that are returned
    count in that order.

    Examples
    --------
    >>> match_list(["2.png", "/site/1.png", "3.png"], ["1.png", "2.png"], ["/site/1.png", "/site/2.png"])
    [1, 0, None]
    """
    filled = [(path, row) for row, path in enumerate(paths) if path]
    by_name, by_path = _rows([(name, row) for row, name in enumerate(names)]), _rows(filled)
    return [by_name.get(entry, by_path.get(entry, by_path.get(str(absolute(entry))))) for entry in entries]


def _rows(named: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Map texts to rows, as they are, as `list_line` writes them, and as earlier versions did; the first counts most."""
    return {write(text): row for write in (printable, list_line, str) for text, row in named}
