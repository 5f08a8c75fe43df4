from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from howfar.report import failures as words
from howfar.results import Failures, Relation


def of(related: Relation, listed: list[int], performance: list[float]) -> Relation:
    """Ten images of one set: which are listed, and what they scored."""
    images = pd.DataFrame(
        {"dataset": "a", "image": range(10), "listed": np.isin(range(10), listed), "performance": performance}
    )
    return replace(related, images=images, failures=(Failures("a", 0.5, 0.1, "mean", 10, len(listed)),))


SCORES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, float("nan")]


def test_counts_only_what_is_known(related: Relation) -> None:
    found = words.measured(of(related, [0, 1, 4, 9], SCORES))
    assert (found.listed, found.wrong, found.failing, found.found) == (3, 1, 4, 2)


def test_lead_counts_the_listed(related: Relation) -> None:
    assert words.lead(of(related, [0, 9], SCORES)) == "2 of 10 images, in 1 of 1 dataset, probably score below τ = 0.5."
    assert words.lead(of(related, [9], SCORES)) == "1 of 10 images, in 1 of 1 dataset, probably scores below τ = 0.5."
    assert words.lead(related).startswith("39 of 478 images, in 4 of 6 datasets, probably score")
    assert "none is listed" in words.lead(of(related, [], SCORES))


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (
            [0, 1],
            "0 of 2 listed images scored 0.5 or more (0 %), no more than the stated 10 %. So few images measure the rate only "
            "roughly. Of 4 images that failed the lists hold 2",
        ),
        ([0, 4], "1 of 2 listed images scored 0.5 or more (50 %), more than the stated 10 %: do not rely on it"),
        ([9], "No image with a known performance is listed, although 4 of them scored below 0.5"),
    ],
)
def test_the_rate_is_measured_against_what_was_stated(listed: list[int], expected: str, related: Relation) -> None:
    assert expected in words.found(of(related, listed, SCORES))


def test_many_listed_images_measure_the_rate(related: Relation) -> None:
    relation = of(related, [0, 1], SCORES)
    many = pd.concat([relation.images] * 15, ignore_index=True)
    assert "So few" not in words.found(replace(relation, images=many))
    assert "So few" in words.found(replace(relation, images=many.iloc[10:]))


def test_where_nothing_fails(related: Relation) -> None:
    assert words.found(of(related, [0], [0.9] * 10)).endswith("No image with a known performance failed.")
    assert words.found(of(related, [], [0.9] * 10)) == (
        "No image with a known performance is listed, so the rate could not be measured."
    )


def test_the_promise_names_its_condition(related: Relation) -> None:
    text = words.promise(related)
    assert "at most 10 % of the images" in text
    assert "exchangeable with the labelled ones" in text
    assert "not said to do well" in text


def test_lists_that_were_wrong_too_often_are_named(related: Relation) -> None:
    lists = [
        Failures("a", 0.5, 0.1, "atc", 10, 5, 0.2),
        Failures("b", 0.5, 0.1, "atc", 10, 5, 0.1),
        Failures("c", 0.5, 0.1, "atc", 9, 9),
    ]
    several = replace(related, failures=tuple(lists))
    assert words.broken(several) == "Wrong more often than stated is the list of a (20 %)."
    assert words.broken(replace(related, failures=tuple(lists[1:]))) == ""


def test_a_dataset_that_is_listed_whole_is_named_with_the_reason(related: Relation) -> None:
    one = of(related, list(range(10)), [0.1] * 9 + [0.9])
    assert words.whole(one).startswith("Every image of a is listed: 90 % of the images with a known performance fail")
    assert words.whole(of(related, list(range(10)), SCORES)) == "Every image of a is listed."
    assert words.whole(of(related, [0], SCORES)) == ""
