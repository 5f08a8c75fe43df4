"""What figures show, kept as texts in ``snapshots/``: titles, marks with their places, numbers beside them, legends."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import howfar
from assessed_sites import assessment
from figures import believable, believable_relation
from howfar.errors import InputError
from howfar.figures import adaptation_figures as of_study
from howfar.figures import registration
from howfar.figures.contact_sheets import contact_sheet, near_duplicates, shown_pairs, thumbnails
from howfar.figures.distance_figures import matrix_map, matrix_relative, relative, scatter, sorted_distances, violin
from howfar.figures.estimated_performance import certificate_sample, certificate_steps, estimates, failures, judgements, sites
from howfar.figures.performance_figures import parts, performance, relation_thresholds
from howfar.report.comparison_report import NEAR_DUPLICATES
from howfar.results import Comparison, Interval, Pick, Provenance, Relation, Selection
from snapshots import check, figure_text

HERE = Path(__file__).parent / "snapshots"


def check_figures(draws: list[Any], result: Any, name: str) -> None:
    lines = []
    for draw in draws:
        words = registration(draw.__name__, draw)
        caption = words.caption(result) if words.shows(result) else "left out"
        lines.append(f"---- {draw.__name__}: {caption}\n{figure_text(draw(result))}")
    check("\n\n".join(lines), HERE / f"{name}.md")


def spread(six: Comparison, largest: float) -> Comparison:
    """Two datasets and one without a distance, the farthest so many times as far as P's own images."""
    near, far, undefined = (
        replace(dataset, relative=value, relative_ci=None)
        for dataset, value in zip(six.datasets, (1.0, largest, None), strict=False)
    )
    return replace(six, datasets=(near, far, undefined), baselines=())


COMPARISONS: dict[str, Callable[[Comparison], Comparison]] = {
    "six": lambda six: six,
    "without yardstick": lambda six: believable.without_yardstick(believable.only(six, 0, 5)),
    "equal": lambda six: believable.constant(believable.only(six, 0, 3)),
    "spread": lambda six: spread(six, 7.0),
    "wide spread": lambda six: spread(six, 9.0),
    "no projection": lambda six: replace(believable.only(six, 3), settings=replace(six.settings, projection="none")),
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_figures_of_a_comparison(name: str, six: Comparison) -> None:
    check_figures([relative, violin, sorted_distances, scatter], COMPARISONS[name](six), f"comparison, {name}")


def nine(folder: Path) -> Selection:
    """Nine picks: each a picture of one colour, 60 × 30 or 30 × 60, but for the fifth, whose file is gone."""
    picks = []
    for rank in range(1, 10):
        path = folder / f"image {rank}.png"
        if rank != 5:
            Image.new("RGB", (60, 30) if rank % 2 else (30, 60), (rank * 20, 0, 0)).save(path)
        picks.append(Pick(rank, f"below/image {rank}.png", str(path), rank / 10, "why"))
    return Selection("roads$x$", "a$b_{$", "far", True, 0, 1200, 0, tuple(picks), provenance=Provenance.now())


def test_sheets_of_pictures(six: Comparison, related: Relation, tmp_path: Path) -> None:
    copied, chosen = believable.with_copies(six), nine(tmp_path)
    gone = replace(copied, near_duplicates=copied.near_duplicates.assign(path=str(tmp_path / "gone.png")))
    sheets: dict[str, list[Callable[..., Figure]]] = {
        "thumbnails": [
            partial(thumbnails, six),
            partial(thumbnails, replace(six, images=six.images.assign(path="")), k=1),
            partial(thumbnails, believable.without_yardstick(believable.only(six, 0))),
            partial(thumbnails, believable.constant(believable.only(six, 0))),
        ],
        "near duplicates": [partial(near_duplicates, copied), partial(near_duplicates, gone, limit=1)],
        "failures": [partial(failures, related), partial(failures, believable_relation.without_photographs(related), k=2)],
        "contact sheet": [partial(contact_sheet, chosen), partial(contact_sheet, chosen, limit=2)],
    }
    for name, draws in sheets.items():
        check("\n\n".join(figure_text(draw()) for draw in draws), HERE / f"sheet, {name}.md")
    with pytest.raises(InputError, match="limit must be at least 1, got 0"):
        contact_sheet(chosen, limit=0)
    words = registration("near_duplicates", near_duplicates)
    assert [words.shows(result) for result in (copied, six)] == [True, False]
    assert "p2.png" in words.caption(copied).alternative
    assert NEAR_DUPLICATES.content(six, None) is None
    section: Any = NEAR_DUPLICATES.content(copied, None)
    listed = [row[0].text for row in section.parts[-1].table.rows if row[2].text.startswith("nearly")]
    assert shown_pairs(copied)["image"].tolist() == listed


@pytest.mark.parametrize("name", ["study", "bakeoff"])
def test_figures_of_an_adaptation(name: str, request: pytest.FixtureRequest) -> None:
    draws = [
        of_study.adaptation_gains,
        of_study.adaptation_bars,
        of_study.adaptation_bars_background,
        of_study.adaptation_curves,
        of_study.adaptation_suppression,
    ]
    check_figures(draws, request.getfixturevalue(name), f"adaptation, {name}")


def bare(related: Relation) -> Relation:
    """A task without thresholds, whose estimates are by two estimators and whose trends are undefined."""
    same = [
        tuple(replace(part, performance=part.performance_common, threshold=None) for part in row.halves)
        for row in related.datasets
    ]
    slopes = (Interval(0.1), Interval(None), None)
    datasets = tuple(
        replace(row, trend=row.trend and slope and replace(row.trend, slope=slope), halves=halves, thirds=())
        for row, slope, halves in zip(related.datasets, slopes, same, strict=False)
    )
    first, *rest = related.estimates
    mine = replace(related.judgements[1], estimator="mine", kind="magic", coverage=None)
    return replace(
        related,
        datasets=datasets,
        estimates=(replace(first, estimator="mean"), *rest),
        judgements=(*related.judgements, mine),
        settings=replace(related.settings, threshold=None),
        images=related.images.assign(listed=False),
    )


RELATIONS: dict[str, Callable[[Relation, Callable[..., Relation]], Relation]] = {
    "six": lambda related, _: related,
    "without thresholds": lambda related, _: bare(related),
    "nothing known": lambda _, sized: sized(("new", 30), ("other", 20), unlabelled=("new", "other")),
    "small": lambda _, sized: sized(("three", 3), ("two", 2), ("new", 30), unlabelled=("new",)),
    "blank": lambda _, sized: sized(("blank", 9), ("roads", 40), ("lanes", 30), blank=("blank",)),
}


@pytest.mark.parametrize("name", RELATIONS)
def test_figures_of_a_relation(name: str, related: Relation, sized: Callable[..., Relation]) -> None:
    draws = [performance, parts, estimates, judgements, relation_thresholds]
    check_figures(draws, RELATIONS[name](related, sized), f"relation, {name}")


@pytest.mark.parametrize("name", ["all", "unknown"])
def test_figures_of_answers(name: str) -> None:
    found = assessment()
    check_figures([sites], found if name == "all" else replace(found, sites=(found.sites[3],)), f"sites, {name}")


@pytest.mark.parametrize("count", [4, 13, 61])
def test_figures_of_a_matrix(count: int) -> None:
    rng = np.random.default_rng(0)
    sets = {f"$set_{k}$": rng.normal(0, 0.2, size=(6, 3)) + np.array([k, 0, 0]) for k in rng.permutation(count)}
    check_figures([matrix_map, matrix_relative], howfar.matrix(sets, progress=False, components=3), f"matrix, {count}")


@pytest.mark.parametrize("until", [None, "F >= 0.1"])
def test_figures_of_a_certificate(until: str | None) -> None:
    predicted = np.linspace(0.1, 0.9, 30)
    order = [one.index for one in howfar.certify(predicted, k=12, until=until).sample]
    found = howfar.certify(predicted, k=12, labels=(predicted**1.5)[order], until=until)
    check_figures([certificate_steps, certificate_sample], found, f"certificate, {'asked' if until else 'one look'}")
