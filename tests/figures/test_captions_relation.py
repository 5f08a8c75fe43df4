from __future__ import annotations

from dataclasses import replace

import pytest

from howfar import registry
from howfar.figures import Caption, registration
from howfar.results import Relation


def caption(name: str, relation: Relation) -> Caption:
    return registration(name, registry.load("relation_figures", name)).caption(relation)


@pytest.mark.parametrize("name", registry.OURS["relation_figures"])
def test_every_figure_has_its_words(name: str, related: Relation) -> None:
    found = caption(name, related)
    assert found.title
    assert found.text.endswith(".")
    assert found.alternative.endswith(".")


def test_alternatives_hold_the_numbers(related: Relation) -> None:
    one = related.datasets[0]
    assert f"roads-dry {one.ods:.3f} at {one.ods_threshold:.2f}" in caption("thresholds", related).alternative
    halves = one.halves
    ends = f"roads-dry {halves[0].performance_common:.2f} to {halves[1].performance_common:.2f} by halves"
    assert ends in caption("parts", related).alternative
    assert "one undefined by halves" in caption("parts", related).alternative
    assert "roads-dry falls with distance, slope −0.37 (from −0.4" in caption("performance", related).alternative
    assert "mean 0.214 and 0.196" in caption("judgements", related).alternative
    said = caption("estimates", related).alternative
    for estimate in related.estimates:
        known = "not measured" if estimate.measured is None else f"measured {estimate.measured:.2f}"
        assert f"{estimate.dataset} {estimate.predicted:.2f} (from {estimate.low:.2f} to {estimate.high:.2f}), {known}" in said


def test_the_sheet_names_the_lowest_of_each_listed_set(related: Relation) -> None:
    said = caption("failures", related).alternative
    listed = related.images[related.images["listed"] & (related.images["dataset"] == "street photographs")]
    lowest = listed.sort_values(["estimate", "image"])["image"].iloc[0]
    assert f"street photographs: {lowest}" in said
    assert "roads-dry:" not in said


def test_what_is_not_drawn_is_not_explained(related: Relation) -> None:
    assert "crosses" in caption("performance", related).text
    assert "crosses" not in caption("performance", replace(related, images=related.images.assign(listed=False))).text
    new = tuple(one for one in related.estimates if one.measured is None)
    assert "diamond" in caption("estimates", related).text
    assert "diamond" not in caption("estimates", replace(related, estimates=new)).text
    assert "diagonal" not in caption("estimates", replace(related, estimates=(*new, related.estimates[0]))).text
    assert "dashed" in caption("thresholds", related).text
    bare = replace(related, settings=replace(related.settings, threshold=None))
    assert "dashed" not in caption("thresholds", bare).text
