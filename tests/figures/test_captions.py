from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest

from howfar import registry
from howfar.figures import Caption, registration
from howfar.results import Comparison


def caption(name: str, comparison: Comparison) -> Caption:
    return registration(name, registry.load("figures", name)).caption(comparison)


@pytest.mark.parametrize("name", registry.OURS["figures"])
def test_every_figure_has_its_words(name: str, six: Comparison) -> None:
    found = caption(name, six)
    assert found.title
    assert found.text.endswith(".")
    assert found.alternative.endswith(".")


def test_medians_stand_for_the_violins(six: Comparison) -> None:
    values = six.images.loc[six.images["dataset"] == "roads-dry", "i_dist_mean"]
    assert f"roads-dry {values.median():.4g} (P's own " in caption("violin", six).alternative


def test_violins_are_compared_across_rows_only_in_one_space(six: Comparison) -> None:
    joint = replace(six, settings=replace(six.settings, projection="joint"))
    assert "its own subspace" in caption("violin", six).text
    assert "its own subspace" not in caption("violin", joint).text


def test_extremes_stand_for_the_photographs(six: Comparison) -> None:
    assert "roads_wet: nearest image-0000.png, farthest image-0059.png" in caption("thumbnails", six).alternative


def test_hollow_marks_are_named_only_where_there_are_some(six: Comparison) -> None:
    assert "Hollow" in caption("relative", six).text
    assert "Hollow" not in caption("relative", replace(six, baselines=())).text


def test_undefined_values_are_said(six: Comparison, believable: ModuleType) -> None:
    bare = believable.without_yardstick(six)
    assert "roads-dry undefined" in caption("relative", bare).alternative
    assert "no self-distance" in caption("sorted_distances", bare).text
