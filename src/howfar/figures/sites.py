"""Draw what a model is expected to score on each site, beside labelled datasets that were estimated in the same way."""

from __future__ import annotations

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from howfar.figures.datasets import first
from howfar.figures.frame import head_numbers, name_legend, nothing, row_number
from howfar.figures.registration import Caption, registered
from howfar.figures.style import GRID, INK, MUTED, PAPER, WIDTH, Look, blank, drawing, head, look, name_rows, name_text
from howfar.results.assessment import Assessment, SiteAnswer

TITLE = "What to expect of each site"
HALF = 0.17
DOT: Final[dict[str, Any]] = {"ms": 7, "mec": PAPER, "mew": 1, "ls": "none"}
TRUTH: Final[dict[str, Any]] = {"ms": 7, "mfc": "none", "mec": INK, "ls": "none", "marker": "d", "zorder": 3}


def _caption(assessment: Assessment) -> Caption:
    corrupted = sum(row.origin == "corrupted" for row in assessment.labelled)
    without = f" The {corrupted} corrupted versions of the primary's images are not shown." if corrupted else ""
    values = [f"{site.dataset} {_spoken(site)}" for site in assessment.ordered()]
    return Caption(
        TITLE,
        f"Expected {assessment.performance_name} with its interval; hatched where nothing labelled is like the site, so that "
        "no estimate is to be believed. Below the line labelled sites, estimated from the others: the diamond is what was "
        "measured there, and shows "
        f"how far such intervals may be trusted.{without}",
        f"Intervals, one row a site: {'; '.join(values)}.",
    )


def _spoken(site: SiteAnswer) -> str:
    if site.estimate is None:
        return "without an estimate"
    place = ", outside the gate" if site.inside is False else ""
    measured = "" if site.measured is None else f", measured {site.measured:.2f}"
    return f"{site.estimate:.2f} (from {site.low:.2f} to {site.high:.2f}){place}{measured}"


@registered(_caption, shows=lambda assessment: any(site.estimate is not None for site in assessment.sites))
def sites(assessment: Assessment, *, limit: int = 24) -> Figure:
    """Draw each site's expected mean performance with its interval, and under it labelled sites with what was measured.

    Sites outside the gate are hatched and grey. Labelled sites are estimated without their labels; their diamond is the truth.
    Corrupted sets are not shown. At most `limit` rows, the first.
    """
    shown, left_out = first([site for site in assessment.ordered() if site.estimate is not None], limit)
    if not shown:
        return nothing(TITLE, "no site could be estimated")
    look_of = {site.dataset: look(place) for place, site in enumerate(assessment.sites)}
    with drawing():
        figure = blank(WIDTH, 1.5 + 0.36 * len(shown))
        axes = figure.add_subplot()
        for position, site in enumerate(shown):
            _row(axes, site, position, look_of[site.dataset])
        asked = sum(site.measured is None for site in shown)
        if 0 < asked < len(shown):
            axes.axhline(asked - 0.5, color=MUTED, lw=0.8)
        _frame(axes, shown, assessment.performance_name)
        _legend(figure, shown)
        head(figure, f"{TITLE}: {name_text(assessment.metric, 48)}", left_out)
    return figure


def _row(axes: Axes, site: SiteAnswer, position: int, seen: Look) -> None:
    assert site.estimate is not None
    assert site.low is not None
    assert site.high is not None  # for the type checker: sites without an estimate are not drawn
    doubted = site.doubted
    style: dict[str, Any] = (
        {"fc": GRID, "ec": MUTED, "hatch": "////"} if doubted else {"fc": seen.colour, "ec": "none", "alpha": 0.45}
    )
    axes.barh(position, site.high - site.low, 2 * HALF, site.low, label=f"ci:{site.dataset}", **style)
    axes.plot(
        [site.estimate], [position], marker=seen.marker, color=MUTED if doubted else seen.colour, label=site.dataset, **DOT
    )
    if site.measured is not None:
        axes.plot([site.measured], [position], label=f"measured:{site.dataset}", **TRUTH)
    row_number(axes, position, _number(site, doubted))


def _number(site: SiteAnswer, doubted: bool) -> str:
    if doubted:
        return "do not believe: outside"
    measured = "" if site.measured is None else f", measured {site.measured:.2f}"
    return f"{site.estimate:.2f} [{site.low:.2f}, {site.high:.2f}]{measured}"


def _frame(axes: Axes, shown: list[SiteAnswer], performance_name: str) -> None:
    name_rows(axes, [name_text(site.dataset, 22) for site in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel(f"{performance_name}, mean over a site's images")
    axes.set_title(" ")
    head_numbers(axes, f"expected, {100 * shown[0].level:.0f} %")


def _legend(figure: Figure, shown: list[SiteAnswer]) -> None:
    handles: list[Any] = [Line2D([], [], color=MUTED, marker="o", ms=7, mec=PAPER, lw=3, label="expected, with its interval")]
    if any(site.inside is False and site.measured is None for site in shown):
        handles.append(Patch(fc=GRID, ec=MUTED, hatch="////", label="outside the gate: not to be believed"))
    if any(site.measured is not None for site in shown):
        handles.append(Line2D([], [], label="measured", **TRUTH))
    name_legend(figure, handles, 3)
