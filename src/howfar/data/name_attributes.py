"""Parse each image's subject and variation (such as person, view, weather, light) from its file name or table row."""

import re
from collections.abc import Sequence
from typing import Final

import pandas as pd

from howfar.data.dataset import Dataset
from howfar.data.image_groups import compiled
from howfar.data.item_table import ItemTable
from howfar.errors import InputError

FINEGPR: Final = r"(?P<person>\d+)_c(?P<view>\d+)_w(?P<weather>\d+)_l(?P<light>\d+)_p(?P<scene>\d+)"
"""Names of FineGPR's images: ``0001_c01_w01_l01_p01.jpg`` is person 1 in view 1, weather 1, light 1 and scene 1."""

_NUMBER = re.compile(r"[0-9]{1,18}")
_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]*$")


def variations(names: Sequence[str], pattern: str = FINEGPR) -> pd.DataFrame:
    r"""Return a table with one row per image, in order, and one column per named group of the pattern.

    The expression must match the whole of a name, or what follows its last folder, without the ending (``.jpg``). A column
    whose values are all digits holds whole numbers, any other text, with "" where an optional group has nothing.

    Parameters
    ----------
    names
        Images' names, with or without folders and endings.
    pattern
        Regular expression with named groups, in Python's syntax; FineGPR's names by default (Xiang et al. 2021,
        https://github.com/JeremyXSC/FineGPR): person, view, weather, light, scene.

    Raises
    ------
    InputError
        The pattern is no regular expression or has no named group, or an image's name does not match: the first such is named.

    Examples
    --------
    >>> variations(["0001/0001_c01_w01_l01_p01.jpg", "0002/0002_c36_w05_l04_p09.jpg"])
       person  view  weather  light  scene
    0       1     1        1      1      1
    1       2    36        5      4      9
    """
    remedy = r"write (?P<person>\d+)_c(?P<view>\d+), say"
    expression = compiled("pattern", pattern, remedy)
    if not expression.groupindex:
        raise InputError.of("pattern", "must have a named group for what varies", pattern, remedy)
    rows = []
    for name in names:
        stem = _ENDING.sub("", name)
        match = expression.fullmatch(stem) or expression.fullmatch(stem.rpartition("/")[2])
        if match is None:
            raise InputError.of("pattern", f"must match the name of every image, and does not match {name!r}", pattern)
        rows.append(match.groupdict(default=""))
    table = pd.DataFrame({group: [row[group] for row in rows] for group in expression.groupindex}, dtype=object)
    numbers = [group for group in table if len(table) and all(map(_NUMBER.fullmatch, table[group]))]
    return table.astype(dict.fromkeys(numbers, "int64"))


def variation_columns(dataset: Dataset, columns: Sequence[str]) -> pd.DataFrame:
    """Return the named columns of a dataset's own table as text ("" for nothing), with one row per image, in order."""
    items = ItemTable.of(dataset.items)
    known = [*(["label"] if items.labelled else []), *items.columns]
    if not known:
        rule = "must be of a dataset that is a CSV or Parquet table with further columns"
        raise InputError.of("columns", rule, str(dataset.root), "name a pattern instead")
    missing = [name for name in columns if name not in known]
    if missing:
        raise InputError.of("columns", "must be columns of the dataset's table", missing[0], f"it has {', '.join(known)}")
    rows = [{"label": item.label, **dict(item.further)} for item in items]
    return pd.DataFrame({name: [(row.get(name) or "").strip() for row in rows] for name in columns}, dtype=object)
