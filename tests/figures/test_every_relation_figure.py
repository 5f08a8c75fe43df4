"""What holds of every figure of a relation: it draws for any number of sets and for undefined values, quietly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from types import ModuleType

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from howfar import registry
from howfar.errors import InputError
from howfar.figures.estimates import estimates, failures, judgements
from howfar.figures.performance import performance
from howfar.figures.style import look
from howfar.figures.thresholds import relation_thresholds
from howfar.paper.near_and_far_parts import parts
from howfar.results import Interval, Relation, Trend

SETS = [performance, parts, estimates, failures, relation_thresholds]
EVERY = pytest.mark.parametrize("draw", [*SETS, judgements], ids=lambda f: f.__name__)
OF_SETS = pytest.mark.parametrize("draw", SETS, ids=lambda f: f.__name__)
Sized = Callable[..., Relation]


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text())


def many(sized: Sized, count: int = 14) -> Relation:
    return sized(*((f"site-{i:02d}", (120, 60, 200, 7, 90, 3)[i % 6]) for i in range(count)), unlabelled=("site-05",))


@OF_SETS
def test_names_every_dataset_that_it_shows(draw: Callable[..., Figure], sized: Sized) -> None:
    relation = many(sized)
    seen = texts(draw(relation, limit=24))
    names = {
        performance: [one.name for one in relation.datasets],
        parts: [one.name for one in relation.datasets],
        relation_thresholds: [one.name for one in relation.datasets],
        estimates: [one.dataset for one in relation.estimates],
        failures: [one.dataset for one in relation.failures if one.listed],
    }[draw]
    assert len(names) > 10
    for name in names:
        assert name in seen


@OF_SETS
def test_says_how_many_it_leaves_out(draw: Callable[..., Figure], sized: Sized) -> None:
    relation = many(sized)
    assert "The first 2 of " in texts(draw(relation, limit=2))
    assert "The first" not in texts(draw(relation, limit=24))


@OF_SETS
def test_refuses_a_limit_below_one(draw: Callable[..., Figure], related: Relation) -> None:
    with pytest.raises(InputError, match="limit must be at least 1, got 0"):
        draw(related, limit=0)


@EVERY
def test_renders_and_leaves_settings_alone(draw: Callable[..., Figure], related: Relation) -> None:
    before = dict(matplotlib.rcParams)
    figure = draw(related)
    assert dict(matplotlib.rcParams) == before
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=30)
    assert picture.getvalue().startswith(b"\x89PNG")


@EVERY
def test_takes_dollars_in_names_literally(draw: Callable[..., Figure], sized: Sized) -> None:
    relation = sized(("a$b_{$", 60), ("c$d^$", 50), ("e$", 50))
    relation = replace(relation, primary="p$q_{$", metric="F_{$ at $")
    seen = texts(draw(relation))
    assert draw is judgements or "a$b_{$" in seen or "e$" in seen


@EVERY
def test_draws_where_nothing_is_known(draw: Callable[..., Figure], sized: Sized) -> None:
    relation = sized(("new", 30), ("other", 20), unlabelled=("new", "other"))
    assert "no " in texts(draw(relation))


@EVERY
@pytest.mark.parametrize(
    "sets", [(("one", 1),), (("three", 3), ("two", 2)), (("blank", 9), ("roads", 40), ("lanes", 30))], ids=["1", "3", "blank"]
)
def test_draws_small_and_blank_sets(draw: Callable[..., Figure], sets: tuple[tuple[str, int], ...], sized: Sized) -> None:
    assert texts(draw(sized(*sets, blank=("blank",))))


@EVERY
def test_draws_undefined_coefficients_and_other_tasks(draw: Callable[..., Figure], related: Relation) -> None:
    undefined = Interval(None)
    trend = Trend(5, 5, undefined, undefined, undefined, None)
    bare = replace(
        related,
        datasets=tuple(
            replace(
                one,
                trend=trend,
                ods=None,
                ods_threshold=None,
                pooled=None,
                halves=tuple(replace(part, performance=part.performance_common, threshold=None) for part in one.halves),
                thirds=(),
            )
            for one in related.datasets
        ),
        thresholds=related.thresholds.iloc[:0],
        settings=replace(related.settings, threshold=None),
        judgements=tuple(replace(one, coverage=None, auroc=None, kind="mine") for one in related.judgements),
        images=related.images.assign(estimate_low=np.nan, estimate_high=np.nan, prediction=None),
    )
    assert texts(draw(bare))


@EVERY
def test_grows_with_the_datasets(draw: Callable[..., Figure], sized: Sized) -> None:
    heights = [draw(many(sized, count)).get_size_inches()[1] for count in (2, 13)]
    assert heights[0] <= heights[1] < 22
    assert draw is judgements or heights[0] < heights[1]


def test_all_are_registered() -> None:
    for draw in (performance, parts, estimates, failures, judgements):
        assert registry.load("relation_figures", draw.__name__) is draw


def test_a_dataset_looks_as_in_the_figures_of_the_run(related: Relation) -> None:
    # "street photographs" is not labelled: what comes after it keeps the look of its place in the run.
    names = list(dict.fromkeys(related.images["dataset"]))
    place = names.index("one")
    assert place == 5
    for figure in (performance(related), relation_thresholds(related)):
        lines = [line for axes in figure.axes for line in axes.get_lines()]
        assert look(place).colour in {str(line.get_color()) for line in lines}
        assert look(names.index("street photographs")).colour not in {str(line.get_color()) for line in lines}


def test_long_names_keep_both_ends(sized: Sized) -> None:
    name = "a-very-long-name-of-a-dataset-" * 4 + "2024"
    relation = sized((name, 60), ("b", 40))
    for draw in SETS:
        seen = texts(draw(relation))
        assert name not in seen
        assert draw is failures or "2024" in seen


def test_missing_files_do_not_stop_the_sheet(related: Relation, relations: ModuleType) -> None:
    assert "no file" in texts(failures(relations.without_photographs(related)))
