"""What a reader of a relation is told: each note where it holds, and none where it does not."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from howfar.relation.site_judge import SiteJudge, Terms
from howfar.results import Evaluation, RelationSettings, SetEstimate
from howfar.studies.performance.performance_files import Matched, read_performances
from howfar.studies.performance.relate import Expectation, relate, relation_notes

IMAGES = pd.DataFrame({"dataset": ["a", "a", "b"], "image": ["1.png", "2.png", "1.png"], "performance": [0.5, 0.7, 0.6]})
SETTINGS = RelationSettings(0.3, "tuned on p", 0.5, 0.2, 0.9, 0.2, 1000, 0, None)
UNTUNED = dataclasses.replace(SETTINGS, threshold=0.5, threshold_source="not tuned on any set")
AS_GIVEN = dataclasses.replace(SETTINGS, threshold=None, threshold_source="")


def expectation(*estimates: SetEstimate, estimator: str = "signals") -> Expectation:
    blank = np.full(3, np.nan)
    judge = SiteJudge("F", None, Terms(0.5, 0.9, 0.2), {}, (estimator, "mean"), (), {}, None)
    return Expectation(
        judge=judge, estimates=estimates, gates=(), failures=(),
        estimate=blank, low=blank, high=blank, p_value=blank, listed=np.zeros(3, dtype=bool),
    )  # fmt: skip


def estimate(dataset: str, estimator: str = "signals", measured: float | None = 0.5) -> SetEstimate:
    return SetEstimate(dataset, estimator, 3, 0.5, 0.4, 0.6, 0.9, measured)


def evaluation(dataset: str, task: str = "segmentation", **changes: Any) -> Evaluation:
    (one,) = read_performances(pd.DataFrame({"dataset": [dataset], "image": ["1.png"], "performance": [0.5]}))
    return dataclasses.replace(one, task=task, **changes)


def notes(
    *given: Evaluation,
    images: pd.DataFrame = IMAGES,
    unmatched: dict[str, int] | None = None,
    changed: int = 0,
    settings: RelationSettings = SETTINGS,
    expected: Expectation | None = None,
) -> list[str]:
    matched = Matched(images, unmatched or {}, changed)
    return list(relation_notes(images, given, matched, settings, expected or expectation(estimate("a"), estimate("b"))))


def test_where_all_is_well_nothing_is_said() -> None:
    assert notes(evaluation("p"), evaluation("a"), evaluation("b"), unmatched={"a": 0, "b": 0}) == []


def test_a_threshold_that_was_tuned_on_nothing() -> None:
    assert notes(evaluation("a"), settings=UNTUNED) == [
        "the common threshold is 0.50, tuned on nothing: evaluate the primary dataset too and pass its performance, or give "
        "--threshold"
    ]
    for settings in (SETTINGS, AS_GIVEN, dataclasses.replace(SETTINGS, threshold_source="given")):
        assert notes(evaluation("a"), settings=settings) == []


def test_a_tolerance() -> None:
    assert notes(evaluation("a", tolerance=2.0), evaluation("b", tolerance=2.0)) == [
        "predictions count within 2 px of the truth"
    ]
    assert notes(evaluation("a", tolerance=1.5)) == ["predictions count within 1.5 px of the truth"]


def test_counts_that_are_of_no_use_as_another_came_without() -> None:
    table, nameless = evaluation("b", "given"), evaluation("", "given")
    assert notes(evaluation("a"), table, nameless, settings=AS_GIVEN) == [
        "b, a table came without pixel counts: every performance is taken as it was given, which need not be at one threshold"
    ]
    assert notes(table, settings=AS_GIVEN) == []
    assert notes(table, evaluation("a", "classification"), settings=AS_GIVEN) == []


def test_images_that_were_found_by_name_and_changed_since() -> None:
    told = "not, by content, what the performance was measured on, and matched by name: if files were changed or renumbered"
    assert notes(changed=1, unmatched={"a": 1})[0] == f"1 image is {told} since, evaluate again"
    assert notes(changed=3) == [f"3 images are {told} since, evaluate again"]


def test_a_set_without_labels_that_lacks_what_the_estimator_needs() -> None:
    # What a labelled set lacks is told by its judgements.
    expected = expectation(
        estimate("a", "mean"), estimate("b", "knn", None), estimate("c", "mean", None), estimate("d", "atc", None)
    )
    assert notes(expected=expected, settings=AS_GIVEN) == [
        "b lacks what signals needs (its predictions): estimated by knn instead",
        "c lacks what signals needs (its predictions): estimated by mean instead",
        "d lacks what signals needs (a signal that the labelled sets have): estimated by atc instead",
    ]


def test_tiles_that_are_taken_for_photographs() -> None:
    images = pd.DataFrame({"dataset": "a", "image": [f"p{k // 4}-{k % 4}.png" for k in range(12)], "performance": 0.5})
    assert notes(images=images) == [
        "image names look like tiles of 3 photographs, which are not independent: --group '(.+)-[0-9]+' resamples "
        "photographs, and widens the intervals to what they should be"
    ]
    assert notes(images=images, settings=dataclasses.replace(SETTINGS, group="(.)")) == []
    assert notes(images=images, settings=dataclasses.replace(SETTINGS, bootstrap=0)) == []


@pytest.mark.parametrize("named", [None, "mean"])
def test_a_relation_says_all_that_holds_of_it_in_order(world: Any, named: str | None) -> None:
    far = world.evaluations["far"]
    extra = far.images.iloc[:1].assign(image="none.jpg", content="none")
    given = [*world.given("near", "new"), dataclasses.replace(far, images=pd.concat([far.images, extra]))]
    found = relate(world.run, given, bootstrap=20, estimator=named or "auto").notes
    starts = [
        "the common threshold is 0.50, tuned on nothing",
        "1 image in the performance of far is not in the run",
        "2 of 16 images of near have no performance",
        "bare lacks what ",
        "F is undefined for an image without foreground: the estimates for new, bare are",
        "near: 2 images have an empty mask",
        "new: no image has a mask",
    ]
    if named:
        starts = [start for start in starts if "lacks" not in start]
    assert [note[: len(start)] for note, start in zip(found, starts, strict=True)] == starts
