"""Read lists of images: a text file with one image on a line, or a table with a column `image`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from howfar.data.table import read_columns
from howfar.errors import InputError, MissingPathError, one_line
from howfar.io.location import absolute
from howfar.printable import printable

TABLES = (".csv", ".parquet", ".pq")


def read_list(path: str | Path) -> tuple[str, ...]:
    r"""Read the images that a list names, as it writes them: names or paths, whether they are there or not.

    A list that howfar wrote has one image a line, whatever its name: what a line cannot hold is written out, as ``\n``, and
    `match_list` finds the image by it.

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
    by_name = {printable(name): row for row, name in enumerate(names)} | {name: row for row, name in enumerate(names)}
    filled = [(path, row) for row, path in enumerate(paths) if path]
    by_path = {printable(path): row for path, row in filled} | dict(filled)
    return [by_name.get(entry, by_path.get(entry, by_path.get(str(absolute(entry))))) for entry in entries]
