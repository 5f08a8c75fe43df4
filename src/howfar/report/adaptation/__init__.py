"""Report an adaptation study on one page: what training on a few labelled images gained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from howfar.figures.adaptation_models import seeds_text, strategies, strategy_of
from howfar.report.adaptation import tables, text
from howfar.report.explorer import adaptation_section
from howfar.report.figures import draw_figures
from howfar.report.page import write_page
from howfar.report.rerun import rerun_adaptation
from howfar.report.text import listing
from howfar.results.adaptation import Adaptation


def write_adaptation_report(adaptation: Adaptation, folder: str | Path) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    The page is whole in itself: it asks for no other file and no address, and can be read without scripts. `folder` is the
    study's, below which the models' maps lie; what is in it by these names is replaced.
    """
    figures = draw_figures({"adaptation_figures": adaptation}, folder, prefix="adaptation_")
    content = {**_content(adaptation), "explore": adaptation_section(adaptation, Path(folder))}
    return write_page("adaptation/page.html.j2", content, folder, figures)


def _content(adaptation: Adaptation) -> dict[str, Any]:
    f, ods = (tables.scores(adaptation, column) for column in ("mean_f", "ods"))
    return {
        "a": adaptation,
        "strategy": strategy_of(adaptation),
        "strategies": listing(strategies(adaptation)),
        "several": len(tables.shared_seeds(adaptation)) > 1,
        "lead": text.lead(adaptation),
        "random": text.against_random(adaptation),
        "any": text.any_beats(adaptation),
        "numbers": [(model, line, tables.colour(adaptation, model)) for model, line in text.by_number(adaptation)],
        "suppressed": text.suppressed(adaptation),
        "limitations": text.limits(adaptation),
        "seeds": seeds_text(tables.shared_seeds(adaptation)),
        "f": f,
        "ods": ods,
        "both": tables.both(adaptation),
        "disagreement": text.disagreement(adaptation),
        "slopes": tables.slopes(adaptation),
        "strata": tables.strata(adaptation),
        "gains": tables.gains(adaptation),
        "over_random": tables.against_random(adaptation),
        "contributions": tables.contributions(adaptation),
        "suppression": tables.suppression(adaptation),
        "trained": tables.trained(adaptation),
        "chosen": tables.chosen(adaptation),
        "settings": tables.settings(adaptation),
        "rerun": rerun_adaptation(adaptation),
    }
