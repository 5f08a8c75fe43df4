"""Draw every registered figure of a page's results, with its caption, as files and as parts of the page."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from howfar import registry
from howfar.errors import StoreError
from howfar.figures.registration import Caption, registration
from howfar.io.location import absolute
from howfar.io.lock import locked
from howfar.io.staging import staging
from howfar.report.svg import Embedded, embed
from howfar.results.result import Result
from howfar.results.run_files import PICTURES, RUN


@dataclass(frozen=True)
class Drawn:
    """Hold a figure that is ready for a page, and its words."""

    embedded: Embedded
    caption: Caption


@dataclass(frozen=True)
class Figures:
    """Hold the figures of one page by name, in the registry's order, and notes on those of other packages that failed.

    `runs` has the ids of the results on the page, each by the name of its document.
    """

    drawn: dict[str, Drawn]
    notes: list[str]
    runs: Mapping[str, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def take(self, name: str) -> Drawn | None:
        """Return a figure for the place where it stands on the page; None where there is none of that name."""
        self._taken.add(name)
        return self.drawn.get(name)

    def rest(self) -> list[Drawn]:
        """Return the figures that no section took, which the page shows at its end."""
        return [drawn for name, drawn in self.drawn.items() if name not in self._taken]


class Folders(NamedTuple):
    """Name the run folder that figures may read, and the folder beside it that they are written to."""

    run: Path
    beside: Path


def draw_figures(results: Mapping[str, Any], folder: str | Path, prefix: str = "") -> Figures:
    """Draw every registered figure that shows anything, and write ``figures/<name>.png`` (and ``.svg``) into a folder.

    The files take their places when all are drawn, and carry the ids of what they show. A figure of another package that
    raises is left out with a note. One that takes a `folder` is given this one. `results` has a result for each kind of figure
    ("figures", "relation_figures" …); of a kind without one, None, the files of an earlier report are removed. `prefix` is
    left out of the names of files and on the page.
    """
    root = absolute(folder)
    (root / PICTURES).mkdir(parents=True, exist_ok=True)
    page = Figures({}, [], runs_of(*results.values()))
    with staging(root) as beside:
        names = [
            name for kind, result in results.items() for name in _draw_all(kind, result, page, prefix, Folders(root, beside))
        ]
        with locked(root):
            check_unchanged(root, page.runs)
            _take_place(beside, root / PICTURES, names)
    return page


def _draw_all(kind: str, result: Any, page: Figures, prefix: str, folders: Folders) -> Iterator[str]:
    """Draw the figures of one kind for the page, and yield the name of each, also of one that shows nothing."""
    for registered_name in registry.ordered(kind):
        own, name = registry.is_ours(kind, registered_name), re.sub(r"[^\w-]", "_", registered_name.removeprefix(prefix))
        if not own and name in page.drawn:
            page.notes.append(f"The figure {registered_name} was left out: another has its name.")
            continue
        yield name
        try:
            drawn = None if result is None else _draw(kind, registered_name, name, result, folders)
        except Exception as error:
            # What the disk refuses is no fault of a figure.
            if own or isinstance(error, OSError):
                raise
            page.notes.append(f"The figure {registered_name} could not be drawn ({type(error).__name__}: {error}).")
            continue
        if drawn is not None:
            page.drawn[name] = drawn


def runs_of(*results: Any) -> dict[str, str]:
    """Return the ids of results, each by the name of its document; None, and what another package draws, are left out."""
    return {result.DOCUMENT: result.run_id for result in results if isinstance(result, Result)}


def check_unchanged(root: Path, runs: Mapping[str, str]) -> None:
    """See that the documents in a folder are still those that a page or figures show.

    Raises `StoreError` where another run was written there meanwhile, so that no page of one run stands beside the other.
    """
    for name, run in runs.items():
        with suppress(OSError, ValueError, AttributeError, RecursionError):
            there = json.loads((root / name).read_bytes()).get(RUN, run)
            if there != run:
                raise StoreError(f"{root}: another run was written there meanwhile: run howfar report {root} for its report")


def _take_place(beside: Path, pictures: Path, names: list[str]) -> None:
    """Move the files of figures in; those of an earlier report that are not drawn any more go."""
    for name in names:
        for file in (f"{name}.png", f"{name}.svg"):
            if (beside / file).is_file():
                (beside / file).replace(pictures / file)
            else:
                (pictures / file).unlink(missing_ok=True)


def _draw(kind: str, registered_name: str, name: str, result: Any, folders: Folders) -> Drawn | None:
    draw = registry.load(kind, registered_name)
    words = registration(registered_name, draw)
    if not words.shows(result):
        return None
    options = {"folder": folders.run} if "folder" in inspect.signature(draw).parameters else {}
    embedded = embed(draw(result, **options), name, folders.beside, words.vector(result), getattr(result, "run_id", ""))
    return Drawn(embedded, words.caption(result))
