"""Draw every registered figure of a page's results, with its caption, as files and as parts of the page."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from howfar import registry
from howfar.figures.registration import Caption, registration
from howfar.report.svg import Embedded, embed


@dataclass(frozen=True)
class Drawn:
    """Hold a figure that is ready for a page, and its words."""

    embedded: Embedded
    caption: Caption


@dataclass(frozen=True)
class Figures:
    """Hold the figures of one page by name, in the registry's order, and notes on those of other packages that failed."""

    drawn: dict[str, Drawn]
    notes: list[str]
    _taken: set[str] = field(default_factory=set)

    def take(self, name: str) -> Drawn | None:
        """Return a figure for the place where it stands on the page; None where there is none of that name."""
        self._taken.add(name)
        return self.drawn.get(name)

    def rest(self) -> list[Drawn]:
        """Return the figures that no section took, which the page shows at its end."""
        return [drawn for name, drawn in self.drawn.items() if name not in self._taken]


def draw_figures(results: Mapping[str, Any], folder: str | Path, prefix: str = "") -> Figures:
    """Draw every registered figure that shows anything, and write ``figures/<name>.png`` (and ``.svg``) into a folder.

    A figure of another package that raises is left out with a note. One that takes a `folder` is given this one. `results` has
    a result for each kind of figure ("figures", "relation_figures" …); of a kind without one, None, the files of an earlier
    report are removed. `prefix` is left out of the names of files and on the page.
    """
    pictures = Path(folder) / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    page = Figures({}, [])
    for kind, result in results.items():
        for registered_name in registry.ordered(kind):
            own, name = registry.is_ours(kind, registered_name), re.sub(r"[^\w-]", "_", registered_name.removeprefix(prefix))
            if not own and name in page.drawn:
                page.notes.append(f"The figure {registered_name} was left out: another has its name.")
                continue
            for ending in ("png", "svg"):
                (pictures / f"{name}.{ending}").unlink(missing_ok=True)
            try:
                drawn = None if result is None else _draw(kind, registered_name, name, result, pictures)
            except Exception as error:
                if own:
                    raise
                page.notes.append(f"The figure {registered_name} could not be drawn ({type(error).__name__}: {error}).")
                continue
            if drawn is not None:
                page.drawn[name] = drawn
    return page


def _draw(kind: str, registered_name: str, name: str, result: Any, pictures: Path) -> Drawn | None:
    draw = registry.load(kind, registered_name)
    words = registration(registered_name, draw)
    if not words.shows(result):
        return None
    options = {"folder": pictures.parent} if "folder" in inspect.signature(draw).parameters else {}
    return Drawn(embed(draw(result, **options), name, pictures, words.vector(result)), words.caption(result))
