"""Maps of every dataset against every other: the order of the tree, and numbers on their cells."""

from __future__ import annotations

import numpy as np
import pytest

import howfar
from howfar.figures.matrix_figures import arranged, matrix_map, matrix_relative
from howfar.figures.style import ON_DARK, ON_LIGHT
from howfar.report.run_figures import PAGE_COLOURS
from howfar.results.comparison_result import Matrix


@pytest.fixture(scope="module")
def found() -> Matrix:
    """Datasets on a line, in a shuffled order: set k lies at k."""
    rng = np.random.default_rng(0)
    sets = {f"$set_{k}$": rng.normal(0, 0.2, size=(12, 3)) + np.array([k, 0, 0]) for k in rng.permutation(5)}
    return howfar.matrix(sets, progress=False, components=3)


def test_the_tree_is_scipys_and_what_is_near_stands_together(found: Matrix) -> None:
    order, linkage = arranged(found)
    line = [f"$set_{k}$" for k in range(5)]
    assert [found.names[place] for place in order] in (line, line[::-1])
    tree = matrix_map(found).axes[0]
    depths = sorted(float(np.max(line.get_xdata())) for line in tree.lines)
    np.testing.assert_allclose(depths, np.sort(linkage[:, 2]))
    # Leaves lie at the rows of the map beside them.
    ends = {float(y) for line in tree.lines for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True) if x == 1}
    assert ends == {0.0, 1.0, 2.0, 3.0, 4.0}


def test_numbers_on_cells_keep_their_colour_on_a_dark_page(found: Matrix) -> None:
    axes = next(one for one in matrix_map(found).axes if one.images)
    colours = {text.get_color() for text in axes.texts}
    assert colours == {ON_DARK, ON_LIGHT}
    assert not colours & set(PAGE_COLOURS)


def test_undefined_values_are_a_dash() -> None:
    found = howfar.matrix({"one": np.ones((1, 3)), "two": np.eye(3), "three": np.eye(3) + 5}, progress=False, components=2)
    axes = next(one for one in matrix_relative(found).axes if one.images)
    assert "–" in [text.get_text() for text in axes.texts]
