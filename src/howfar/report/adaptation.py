"""An adaptation study as one page that can be sent on: ``report.html``, and its figures as files beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.figures.adaptation_bars import adaptation_bars
from howfar.figures.adaptation_curves import adaptation_curves
from howfar.figures.adaptation_gains import adaptation_gains
from howfar.figures.adaptation_models import by_background, scored, seeds_text, strategies, strategy_of
from howfar.figures.adaptation_rows import adaptation_rows
from howfar.figures.adaptation_suppression import adaptation_suppression
from howfar.report import tables_adaptation as tables
from howfar.report import words_adaptation as words
from howfar.report.captions_adaptation import caption
from howfar.report.embed import Embedded, embed
from howfar.report.page import write_page
from howfar.report.rerun_adaptation import rerun
from howfar.report.words import listing
from howfar.results.adaptation import Adaptation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: dict[str, Callable[..., Figure]] = {
    "gains": adaptation_gains,
    "bars": adaptation_bars,
    "curves": adaptation_curves,
    "rows": adaptation_rows,
    "suppression": adaptation_suppression,
    "bars_background": partial(adaptation_bars, background=True),
    "curves_background": partial(adaptation_curves, background=True),
}
PHOTOGRAPHS = "rows"


def write_adaptation_report(adaptation: Adaptation, folder: str | Path) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    The page is whole in itself: it asks for no other file and no address, and can be read without scripts.

    Parameters
    ----------
    adaptation
        The result.
    folder
        The study's, below which the models' maps lie; what is in it by these names is replaced.
    """
    place = Path(folder)
    pictures = place / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    for name in FIGURES:
        for ending in ("png", "svg"):
            (pictures / f"{name}.{ending}").unlink(missing_ok=True)
    drawn = {name: (figure, caption(name, adaptation)) for name, figure in _figures(adaptation, place, pictures)}
    return write_page("adaptation.html.j2", {**_context(adaptation), "figures": drawn}, place)


def _figures(adaptation: Adaptation, folder: Path, pictures: Path) -> Iterator[tuple[str, Embedded]]:
    for name, draw in FIGURES.items():
        if _drawable(name, adaptation):
            options = {"folder": folder} if name == PHOTOGRAPHS else {}
            yield name, embed(draw(adaptation, **options), name, pictures, vector=name != PHOTOGRAPHS)


def _drawable(name: str, adaptation: Adaptation) -> bool:
    """Whether a figure would show anything."""
    if name == PHOTOGRAPHS:
        return bool(adaptation.images["path"].astype(bool).any())
    if name == "suppression":
        return bool(len(adaptation.suppression))
    if name.endswith("_background") and not by_background(adaptation, strategy_of(adaptation)):
        return False
    if name == "gains":
        return bool(adaptation.gains["gain"].notna().any())
    return bool(scored(adaptation))


def _context(adaptation: Adaptation) -> dict[str, Any]:
    f, ods = (tables.scores(adaptation, column) for column in ("mean_f", "ods"))
    return {
        "a": adaptation,
        "strategy": strategy_of(adaptation),
        "strategies": listing(strategies(adaptation)),
        "several": len(tables.shared_seeds(adaptation)) > 1,
        "lead": words.lead(adaptation),
        "random": words.against_random(adaptation),
        "any": words.any_beats(adaptation),
        "numbers": [(model, text, tables.colour(adaptation, model)) for model, text in words.by_number(adaptation)],
        "suppressed": words.suppressed(adaptation),
        "limits": words.limits(adaptation),
        "seeds": seeds_text(tables.shared_seeds(adaptation)),
        "f": f,
        "ods": ods,
        "gains": tables.gains(adaptation),
        "over_random": tables.against_random(adaptation),
        "suppression": tables.suppression(adaptation),
        "trained": tables.trained(adaptation),
        "chosen": tables.chosen(adaptation),
        "settings": tables.settings(adaptation),
        "rerun": rerun(adaptation),
    }
