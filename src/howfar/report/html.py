"""A result as one page that can be sent on: ``report.html``, and its figures as files beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from howfar.figures.relative import relative
from howfar.figures.scatter import scatter
from howfar.figures.sorted_distances import sorted_distances
from howfar.figures.thumbnails import thumbnails
from howfar.figures.violin import violin
from howfar.report import sections, tables, words
from howfar.report.captions import Caption, caption
from howfar.report.captions_relation import caption as relation_caption
from howfar.report.embed import Embedded, embed
from howfar.report.page import write_page
from howfar.report.rerun import rerun
from howfar.results import Comparison, Relation

FIGURES = {
    "relative": relative,
    "violin": violin,
    "sorted_distances": sorted_distances,
    "scatter": scatter,
    "thumbnails": thumbnails,
}
PHOTOGRAPHS = ("thumbnails", "failures")


def write_report(comparison: Comparison, folder: str | Path, relation: Relation | None = None) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    The page is whole in itself: it asks for no other file and no address, and can be read without scripts.

    Parameters
    ----------
    comparison
        The result.
    folder
        A run folder; made where it is not there, what is in it by these names is replaced.
    relation
        How performance goes with distance in this run; by default the one that `folder` holds, where it holds one. Without
        it the page is about distance alone.

    Returns
    -------
    Path
        ``folder/report.html``.

    Raises
    ------
    InputError
        The relation is of another run.
    StoreError, MissingPathError
        The one in the folder is damaged.
    """
    place = Path(folder)
    related = sections.relation_of(comparison, place, relation)
    pictures = place / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    _clear(pictures)
    drawn = {name: (figure, caption(name, comparison)) for name, figure in _figures(comparison, pictures)}
    if related is not None:
        drawn |= {name: (figure, relation_caption(name, related)) for name, figure in _relation_figures(related, pictures)}
    content = {**_context(comparison, drawn), **sections.context(related), "rerun": rerun(comparison, related)}
    return write_page("report.html.j2", content, place)


def _clear(folder: Path) -> None:
    """Remove figures of an earlier report, which this one may not draw."""
    for name in (*FIGURES, *sections.FIGURES):
        for ending in ("png", "svg"):
            (folder / f"{name}.{ending}").unlink(missing_ok=True)


def _figures(comparison: Comparison, folder: Path) -> Iterator[tuple[str, Embedded]]:
    for name, draw in FIGURES.items():
        if _drawable(name, comparison):
            yield name, embed(draw(comparison), name, folder, vector=name not in PHOTOGRAPHS)


def _relation_figures(relation: Relation, folder: Path) -> Iterator[tuple[str, Embedded]]:
    for name, draw in sections.FIGURES.items():
        if sections.drawable(name, relation):
            yield name, embed(draw(relation), name, folder, vector=name not in PHOTOGRAPHS)


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
    }
