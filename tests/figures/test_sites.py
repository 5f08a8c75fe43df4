from __future__ import annotations

from dataclasses import replace

from assessed_sites import assessment
from howfar.figures.estimates import sites


def labels(axes: object) -> list[str]:
    return [text.get_text() for text in axes.get_yticklabels()]  # type: ignore[attr-defined]  # of matplotlib


def test_rows_are_in_the_order_of_reading_and_the_unknown_site_is_left_out() -> None:
    assert labels(sites(assessment()).axes[0]) == ["highway", "masonry", "site"]


def test_the_site_outside_is_hatched_and_named_as_not_to_be_believed() -> None:
    axes = sites(assessment()).axes[0]
    hatched = {bar.get_label(): bar.patches[0].get_hatch() for bar in axes.containers}
    assert hatched == {"ci:highway": "////", "ci:masonry": None, "ci:site": None}
    texts = [text.get_text() for text in axes.texts]
    assert texts[0] == "do not believe: outside"
    assert texts[2] == "0.60 [0.51, 0.69], measured 0.61"


def test_bars_and_diamonds_stand_where_the_numbers_say() -> None:
    axes = sites(assessment()).axes[0]
    bar = next(bar.patches[0] for bar in axes.containers if bar.get_label() == "ci:masonry")
    assert (round(bar.get_x(), 6), round(bar.get_x() + bar.get_width(), 6)) == (0.49, 0.67)
    measured = [line for line in axes.get_lines() if str(line.get_label()).startswith("measured:")]
    assert [(line.get_label(), list(line.get_xdata())) for line in measured] == [("measured:site", [0.61])]


def test_nothing_is_said_where_nothing_was_estimated() -> None:
    found = assessment()
    bare = replace(found, sites=(found.sites[3],))
    assert sites.registration.shows(bare) is False  # type: ignore[attr-defined]  # kept with the function
    assert [text.get_text() for text in sites(bare).axes[0].texts] == ["no site could be estimated"]
