"""Lay out the answers about sites: sentences to read first, and the numbers behind them."""

from __future__ import annotations

from dataclasses import dataclass

from howfar.report.tables import UNDEFINED, Cell, Column, Table, bracketed, count, decimal, estimated, name_cell, percentage
from howfar.results.assessment import Assessment, NextStep, SiteAnswer, gate_word


@dataclass(frozen=True)
class Answer:
    """Hold a site's name, the sentences after it, whether they warn, what to do next, and the site's colour."""

    name: str
    text: str
    outside: bool
    next: NextStep
    colour: str


def answers(assessment: Assessment, *, labelled: bool) -> list[Answer]:
    """List the answers about labelled sites, or about the others, in the order in which they are to be read, warnings first."""
    places = {site.dataset: place for place, site in enumerate(assessment.sites)}
    return [
        Answer(
            site.dataset,
            site.answer.removeprefix(f"{site.dataset}: "),
            site.inside is False,
            site.next,
            name_cell("", places[site.dataset]).colour,
        )
        for site in assessment.ordered()
        if labelled is (site.measured is not None)
    ]


def sites(assessment: Assessment) -> Table:
    """Give the numbers behind the answers, one row a site."""
    columns = (
        Column("site"),
        Column("images"),
        Column("gate", "whether labelled datasets like the site are known; outside, no estimate is to be believed"),
        Column("estimate", f"{assessment.performance_name} expected without the site's own labels, a mean over its images"),
        Column("interval", "of the estimate, at its level"),
        Column("held", "intervals by the same estimator that held the truth of another labelled dataset, left out in turn"),
        Column("error", "by which the estimator missed the mean of a dataset left out, on average"),
        Column("measured", f"{assessment.performance_name} by the site's own labels, where it has some"),
        Column("probably fail", "share of its images that are listed as probable failures"),
    )
    places = {site.dataset: place for place, site in enumerate(assessment.sites)}
    return Table(columns, tuple(_row(site, places[site.dataset]) for site in assessment.ordered()))


def _row(site: SiteAnswer, place: int) -> tuple[Cell, ...]:
    blank = site.false_positive_share is not None
    doubted, level = site.doubted, f" ({100 * site.level:.0f} %)"
    mean, interval = estimated(site.estimate, site.low, site.high, 2, doubted=doubted, level=level)
    return (
        name_cell(site.dataset, place),
        count(site.n),
        Cell(gate_word(site.inside), strong=site.inside is False),
        *((Cell("undefined"), UNDEFINED) if blank else (mean, interval)),
        Cell(f"{site.held} of {site.left_out}", site.held / site.left_out) if site.left_out else UNDEFINED,
        decimal(site.error),
        Cell("no foreground") if blank else decimal(site.measured, 2),
        UNDEFINED if blank else bracketed(percentage(site.listed_share), doubted),
    )
