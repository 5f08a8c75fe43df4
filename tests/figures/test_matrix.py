"""Maps of every dataset against every other: the order of the tree, the numbers, names, and many datasets."""

from __future__ import annotations

import numpy as np

import howfar
from howfar.figures.matrix import arranged, matrix_map, matrix_relative
from howfar.figures.style import ON_DARK, ON_LIGHT
from howfar.report.figures import PAGE_COLOURS
from howfar.results.comparison import Matrix


def made(count: int, size: int = 12) -> Matrix:
    """Datasets on a line, in a shuffled order: set k lies at k."""
    rng = np.random.default_rng(0)
    order = rng.permutation(count)
    sets = {f"$set_{k}$": rng.normal(0, 0.2, size=(size, 3)) + np.array([k, 0, 0]) for k in order}
    return howfar.matrix(sets, progress=False, components=3)


def test_what_is_near_stands_together() -> None:
    found = made(6)
    names = [found.names[place] for place in arranged(found)[0]]
    line = [f"$set_{k}$" for k in range(6)]
    assert names in (line, line[::-1])


def test_numbers_on_cells_keep_their_colour_on_a_dark_page() -> None:
    axes = next(one for one in matrix_map(made(4)).axes if one.images)
    colours = {text.get_color() for text in axes.texts}
    assert colours == {ON_DARK, ON_LIGHT}
    assert not colours & set(PAGE_COLOURS)


def test_the_tree_is_scipys() -> None:
    found = made(5)
    figure = matrix_map(found)
    tree = figure.axes[0]
    depths = sorted(float(np.max(line.get_xdata())) for line in tree.lines)
    np.testing.assert_allclose(depths, np.sort(arranged(found)[1][:, 2]))
    # Leaves lie at the rows of the map beside them.
    ends = {float(y) for line in tree.lines for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True) if x == 1}
    assert ends == {0.0, 1.0, 2.0, 3.0, 4.0}


def test_undefined_values_are_a_dash() -> None:
    found = howfar.matrix({"one": np.ones((1, 3)), "two": np.eye(3), "three": np.eye(3) + 5}, progress=False, components=2)
    axes = next(one for one in matrix_relative(found).axes if one.images)
    assert "–" in [text.get_text() for text in axes.texts]
