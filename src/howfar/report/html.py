"""A result as one page that can be sent on: ``report.html``, and its figures as files beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from howfar.figures.relative import relative
from howfar.figures.scatter import scatter
from howfar.figures.sorted_distances import sorted_distances
from howfar.figures.thumbnails import thumbnails
from howfar.figures.violin import violin
from howfar.numbers import format_number
from howfar.report import tables, words
from howfar.report.captions import Caption, caption
from howfar.report.embed import Embedded, embed
from howfar.report.rerun import rerun
from howfar.results import Comparison

if TYPE_CHECKING:
    from jinja2 import Environment

FIGURES = {
    "relative": relative,
    "violin": violin,
    "sorted_distances": sorted_distances,
    "scatter": scatter,
    "thumbnails": thumbnails,
}
PHOTOGRAPHS = ("thumbnails",)
LONG = 12


def write_report(comparison: Comparison, folder: str | Path) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    The page is whole in itself: it asks for no other file and no address, and can be read without scripts.

    Parameters
    ----------
    comparison
        The result.
    folder
        A run folder; made where it is not there, what is in it by these names is replaced.

    Returns
    -------
    Path
        ``folder/report.html``.
    """
    place = Path(folder)
    pictures = place / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    drawn = {name: (figure, caption(name, comparison)) for name, figure in _figures(comparison, pictures)}
    page = _environment().get_template("report.html.j2").render(**_context(comparison, drawn))
    unfinished = place / "report.html.part"
    unfinished.write_text(page, encoding="utf-8")
    return unfinished.replace(place / "report.html")


def _figures(comparison: Comparison, folder: Path) -> Iterator[tuple[str, Embedded]]:
    for name, draw in FIGURES.items():
        if not _drawable(name, comparison):
            continue
        yield name, embed(draw(comparison), name, folder, vector=name not in PHOTOGRAPHS)


def _drawable(name: str, comparison: Comparison) -> bool:
    """Whether a figure would show anything: photographs need files, the yardstick's figure a yardstick."""
    if name in PHOTOGRAPHS:
        return bool(comparison.images["path"].any())
    return name != "relative" or any(dataset.relative is not None for dataset in comparison.datasets)


def _context(comparison: Comparison, drawn: dict[str, tuple[Embedded, Caption]]) -> dict[str, Any]:
    count = len(comparison.datasets)
    near = tables.neighbours(comparison)
    trivial, agreements = tables.trivial(comparison)
    changed = words.rank_changes(comparison)
    return {
        "c": comparison,
        "figures": drawn,
        "lead": words.lead(comparison),
        "sentences": [
            (words.sentence(comparison.primary, comparison.datasets[index]), tables.name_cell("", index).colour)
            for index in tables.nearest_first(comparison)
        ],
        "main": tables.main(comparison),
        "intervals": tables.intervals(comparison),
        "smallest_p": words.smallest_p(comparison.settings.permutations, count),
        "neighbours": near,
        "disagreeing": words.listing(names) if (names := tables.disagreeing(near)) else "",
        "trivial": trivial,
        "trivial_measure": tables.trivial_measure(comparison),
        "agreements": tables.agreements_text(agreements, count),
        "verdict": words.trivial_verdict(agreements, count, *words.same_farthest(*tables.trivial_views(comparison))),
        "changed": words.listing(changed) if changed else "",
        "rivals": tables.rivals(comparison),
        "farthest": tables.farthest(comparison),
        "backbone": tables.backbone(comparison),
        "settings": tables.settings(comparison),
        "skipped": tables.skipped(comparison),
        "leaks": tables.leaks(comparison),
        "rerun": rerun(comparison),
        "long": LONG,
    }


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("howfar.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = format_number
    environment.filters["raised"] = _raised
    environment.filters["bound"] = _bound
    return environment


def _raised(text: str) -> Markup:
    """``O^dist`` with its exponent raised; all else as text."""
    return Markup(str(escape(text)).replace("^dist", "<sup>dist</sup>"))


def _bound(text: str) -> str:
    """The text with numbers held to their signs, so that no line breaks between."""
    return re.sub(r"(?<=\d) (?=%)|(?<=\bp) (?=[=<] )|(?<=\bp [=<]) |(?<=%) (?=CI)", "\u00a0", text)
