"""List the datasets of the paper: where each is had, under which terms, and what a folder of it should hold."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from howfar.errors import UnknownNameError

NOT_VERIFIED = "not verified"


@dataclass(frozen=True)
class CatalogueEntry:
    """Describe one dataset of the paper.

    Attributes
    ----------
    name
        The word by which `entry` and ``howfar data`` know it.
    title, symbol, what
        What it is called, its symbol in the paper ("" for none), and what its images show.
    masks
        Whether its masks of cracks are "needed" for the paper's figures and tables, "available" but not needed, or "none".
    where
        Addresses at which it is had.
    licence, licence_source
        Terms of use, and the page that states them; both "" where no such page could be read.
    layout
        How a folder of it is laid out.
    citation
        The publication to cite.
    used_in
        Tables and figures of the paper that need it.
    images
        Number of images, where it is known.
    sizes
        Width and height in pixels that an image may have; empty where none is stated.
    prefix
        How the names of its files begin in a collection of several datasets.
    categories, n_categories, per_category
        Names of categories that must be there, the number of all categories, and the fewest and most images of one.
    variations
        How many values each part of a file's name takes, as `howfar.data.variations` reads it.
    note
        Where the paper and the source differ.
    """

    name: str
    title: str
    symbol: str
    what: str
    masks: Literal["needed", "available", "none"]
    where: tuple[str, ...]
    licence: str
    licence_source: str
    layout: str
    citation: str
    used_in: tuple[str, ...]
    images: int | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    prefix: str = ""
    categories: tuple[str, ...] = ()
    n_categories: int | None = None
    per_category: tuple[int, int] | None = None
    variations: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def terms(self) -> str:
        """Return the terms of use, or that they are not verified."""
        return self.licence or NOT_VERIFIED

    @property
    def pixels(self) -> str:
        """Return the sizes of images as text: "448×448", with "or" between several, "" where none is stated."""
        return " or ".join(f"{width}×{height}" for width, height in self.sizes)


@cache
def catalogue() -> tuple[CatalogueEntry, ...]:
    """Return the paper's datasets, the primary one first.

    Examples
    --------
    >>> [(entry.symbol, entry.title, entry.images) for entry in catalogue()[:3]]
    [('P', 'CrackTree260', 260), ('S_1', 'CrackLS315', 315), ('S_2', 'CRKWH100', 100)]
    """
    tables = tomllib.loads(files("howfar.data").joinpath("catalogue.toml").read_text(encoding="utf-8"))
    return tuple(
        CatalogueEntry(name=name, **{key: _frozen(value) for key, value in table.items()}) for name, table in tables.items()
    )


def entry(name: str) -> CatalogueEntry:
    """Return the dataset of that name, whatever its capitals.

    Raises `UnknownNameError`, which lists the known names, where there is none.

    Examples
    --------
    >>> entry("BSDS500").pixels
    '481×321 or 321×481'
    """
    known = {candidate.name: candidate for candidate in catalogue()}
    if name.lower() not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(f"no dataset of the paper named {name!r}; known: {', '.join(known)}{hint}")
    return known[name.lower()]


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list) else value
