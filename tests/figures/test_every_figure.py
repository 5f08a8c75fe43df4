"""What holds of every figure: it draws for any number of datasets and for undefined values, quietly, and touches no global."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from types import ModuleType

import matplotlib
import pytest
from matplotlib.figure import Figure

from howfar.errors import InputError
from howfar.figures.distances import relative, scatter, sorted_distances, violin
from howfar.figures.pictures import thumbnails
from howfar.results import Comparison

EVERY = pytest.mark.parametrize("draw", [violin, sorted_distances, relative, scatter, thumbnails], ids=lambda f: f.__name__)


def visible_texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


@EVERY
@pytest.mark.parametrize("count", [1, 2, 6, 25])
def test_names_every_dataset_that_it_shows(
    draw: Callable[..., Figure], count: int, result: Callable[[int], Comparison]
) -> None:
    comparison = result(count)
    options = {"k": 2} if draw is thumbnails else {}
    seen = "\n".join(visible_texts(draw(comparison, limit=25, **options)))
    for dataset in comparison.datasets:
        assert dataset.name[:9] in seen


@EVERY
def test_says_how_many_it_leaves_out(draw: Callable[..., Figure], six: Comparison) -> None:
    seen = "\n".join(visible_texts(draw(six, limit=2)))
    assert "The 2 farthest of 6 datasets are shown." in seen
    assert "street photographs" in seen
    assert "roads-dry" not in seen
    assert "farthest of" not in "\n".join(visible_texts(draw(six, limit=6)))


@EVERY
@pytest.mark.parametrize("edge", ["without_yardstick", "constant"])
def test_draws_where_values_are_undefined_or_equal(
    draw: Callable[..., Figure], edge: str, six: Comparison, believable: ModuleType
) -> None:
    comparison = getattr(believable, edge)(six)
    assert visible_texts(draw(comparison))


@EVERY
def test_renders_and_leaves_settings_alone(draw: Callable[..., Figure], six: Comparison) -> None:
    before = dict(matplotlib.rcParams)
    figure = draw(six)
    assert dict(matplotlib.rcParams) == before
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=30)
    assert picture.getvalue().startswith(b"\x89PNG")


@EVERY
def test_refuses_a_limit_below_one(draw: Callable[..., Figure], six: Comparison) -> None:
    with pytest.raises(InputError, match="limit must be at least 1, got 0"):
        draw(six, limit=0)


@EVERY
def test_takes_dollars_in_names_literally(draw: Callable[..., Figure], six: Comparison) -> None:
    comparison = replace(six, primary=replace(six.primary, name="a$b_{$"))
    seen = "\n".join(visible_texts(draw(comparison)))
    assert "tunnel linings $x$" in seen


@EVERY
def test_grows_with_the_datasets(draw: Callable[..., Figure], result: Callable[[int], Comparison]) -> None:
    heights = [draw(result(count)).get_size_inches()[1] for count in (2, 6, 25)]
    assert heights[0] < heights[1] < heights[2] < 25
