"""Read the names of classes from a list, a text file with one name a line, or the YAML that describes a YOLO dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from howfar.data.json_text import parsed
from howfar.errors import InputError, MissingPathError, one_line
from howfar.io.location import absolute
from howfar.memory import check_file

Classes: TypeAlias = Sequence[str] | str | Path


class CategoryNames(tuple[str, ...]):
    """Hold the names of COCO's categories by their ids, which need not count from 0; ids that are none have stand-ins.

    `images` gives the names of the images in the same file by their ids, as texts.
    """

    images: Mapping[str, str]


YAML: Final = (".yaml", ".yml")
COCO: Final = ".json"
_FILES: Final = (".txt", ".names", COCO, *YAML)
_MOST_IDS: Final = 100_000
_COPIES: Final = 60
"""Bytes that a byte of YAML takes at the most once it is read: a list of single digits is the densest."""


def class_names(given: Classes) -> tuple[str, ...]:
    """Return the names of the classes 0, 1, 2 …, none where none are given.

    Parameters
    ----------
    given
        The names; or one text of them with commas between; or a file: ``.txt`` or ``.names`` with one name a line, ``.yaml``
        with ``names``, as Ultralytics writes it; ``.json`` of COCO, whose ids of categories are the numbers.

    Raises
    ------
    MissingPathError
        A file that is not there.
    InputError
        A file of another form, or a name that is empty or there twice.

    Examples
    --------
    >>> class_names("road, car"), class_names(["road", "car"])
    (('road', 'car'), ('road', 'car'))
    """
    if isinstance(given, Path) or (isinstance(given, str) and given.lower().endswith(_FILES)):
        names = read_names(given)
    else:
        if isinstance(given, str) and ("/" in given or Path(given).is_file()):
            raise InputError.of("classes", f"must be names, or a file of them ({', '.join(_FILES)})", given)
        names = tuple(given.split(",")) if isinstance(given, str) and given.strip() else tuple(given)
    if not all(isinstance(name, str) for name in names):
        raise InputError.of("classes", "must be names, or a file of them", list(names), "write a,b,c")
    if isinstance(names, CategoryNames):
        return names
    names = tuple(name.strip() for name in names)
    for position, name in enumerate(names):
        if not name or name in names[:position]:
            what = f"{name!r} is there twice" if name else f"that of class {position} is empty"
            raise InputError.of("classes", "must give each class a name of its own", what)
    return names


def read_names(path: str | Path) -> tuple[str, ...]:
    """Read the names in a file, as `class_names` says; raises `MissingPathError` and `InputError` as that does."""
    file = absolute(path)
    if not file.is_file():
        raise MissingPathError(f"no file of class names at {file}: check the path, or write the names with commas between")
    try:
        size = file.stat().st_size
        check_file((_COPIES if file.suffix.lower() in YAML else 3) * size, file, size)
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == COCO:
            return _of_coco(parsed(text, file))
        return _of_yaml(text) if file.suffix.lower() in YAML else tuple(filter(None, map(str.strip, text.splitlines())))
    except InputError:
        raise
    except Exception as error:  # over a damaged file PyYAML may raise anything
        raise InputError(f"{file} cannot be read ({one_line(error, 120)}): write one name of a class on each line") from error


def named(label: str, names: Sequence[str]) -> str:
    """Return the name of a class that is given by its number; a text that is no number of one stays.

    Examples
    --------
    >>> named("1", ["road", "car"]), named("1.0", ["road", "car"]), named("car", ["road", "car"]), named("7", ["road"])
    ('car', 'car', 'car', '7')
    """
    number = label.removesuffix(".0")
    if label in names or not number.isdecimal() or len(number) > 9:
        return label
    return names[int(number)] if int(number) < len(names) else label


def _of_coco(document: Any) -> CategoryNames:
    categories = document.get("categories") if isinstance(document, Mapping) else None
    if not isinstance(categories, list) or not categories:
        raise InputError("it has no categories: pass COCO annotations")
    by_id = {category["id"]: str(category["name"]) for category in categories}
    if not all(isinstance(number, int) and 0 <= number < _MOST_IDS for number in by_id):
        raise InputError(f"an id of its categories is no whole number below {_MOST_IDS:,}: number them anew")
    names = CategoryNames(by_id.get(number, f"category {number}") for number in range(max(by_id) + 1))
    names.images = {str(image["id"]): str(image["file_name"]) for image in document.get("images", [])}
    return names


def _of_yaml(text: str) -> tuple[str, ...]:
    import yaml

    document: Any = yaml.safe_load(text)
    names = document.get("names") if isinstance(document, Mapping) else None
    if isinstance(names, Mapping) and sorted(names) == list(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, (str, int)) for name in names):
        raise InputError("it has no names: it must hold a list `names`, or numbers 0, 1 … with their names")
    return tuple(map(str, names))
