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
TILES = pd.DataFrame({"dataset": "a", "image": [f"p{k // 4}-{k % 4}.png" for k in range(12)], "performance": 0.5})
SETTINGS = RelationSettings(0.3, "tuned on p", 0.5, 0.2, 0.9, 0.2, 1000, 0, None)
AS_GIVEN: dict[str, Any] = {"threshold": None, "threshold_source": ""}
CHANGED = (
    "not, by content, what the performance was measured on, and matched by name: if files were changed or renumbered since"
)
LACKS = "lacks what signals needs (its predictions): estimated by"


def estimate(dataset: str, estimator: str = "signals", measured: float | None = 0.5) -> SetEstimate:
    return SetEstimate(dataset, estimator, 3, 0.5, 0.4, 0.6, 0.9, measured)


def evaluation(dataset: str, task: str = "segmentation", tolerance: float = 0.0) -> Evaluation:
    (one,) = read_performances(pd.DataFrame({"dataset": [dataset], "image": ["1.png"], "performance": [0.5]}))
    return dataclasses.replace(one, task=task, tolerance=tolerance)


@pytest.mark.parametrize(
    ("given", "settings", "how", "wanted"),
    [
        ((("p",), ("a",), ("b",)), {}, {"unmatched": {"a": 0, "b": 0}}, []),
        (
            (("a",),),
            {"threshold": 0.5, "threshold_source": "not tuned on any set"},
            {},
            [
                "the common threshold is 0.50, tuned on nothing: evaluate the primary dataset too and pass its performance, or "
                "give --threshold"
            ],
        ),
        ((("a",),), AS_GIVEN, {}, []),
        ((("a",),), {"threshold_source": "given"}, {}, []),
        ((("a", "segmentation", 2.0), ("b", "segmentation", 2.0)), {}, {}, ["predictions count within 2 px of the truth"]),
        ((("a", "segmentation", 1.5),), {}, {}, ["predictions count within 1.5 px of the truth"]),
        (
            (("a",), ("b", "given"), ("", "given")),
            AS_GIVEN,
            {},
            [
                "b, a table came without pixel counts: every performance is taken as it was given, which need not be at one "
                "threshold"
            ],
        ),
        ((("b", "given"), ("a", "classification")), AS_GIVEN, {}, []),
        ((), {}, {"changed": 1}, [f"1 image is {CHANGED}, evaluate again"]),
        ((), {}, {"changed": 3}, [f"3 images are {CHANGED}, evaluate again"]),
        (
            (),
            AS_GIVEN,
            # What a labelled set lacks is told by its judgements.
            {"estimates": [("a", "mean"), ("b", "knn", None), ("c", "mean", None), ("d", "atc", None)]},
            [
                f"b {LACKS} knn instead",
                f"c {LACKS} mean instead",
                "d lacks what signals needs (a signal that the labelled sets have): estimated by atc instead",
            ],
        ),
        (
            (),
            {},
            {"images": TILES},
            [
                "image names look like tiles of 3 photographs, which are not independent: --group '(.+)-[0-9]+' resamples "
                "photographs, and widens the intervals to what they should be"
            ],
        ),
        ((), {"group": "(.)"}, {"images": TILES}, []),
        ((), {"bootstrap": 0}, {"images": TILES}, []),
    ],
)
def test_a_note_stands_where_it_holds(given: Any, settings: dict[str, Any], how: dict[str, Any], wanted: list[str]) -> None:
    images, blank = how.get("images", IMAGES), np.full(3, np.nan)
    judge = SiteJudge("F", None, Terms(0.5, 0.9, 0.2), {}, ("signals", "mean"), (), {}, None)
    estimates = tuple(estimate(*each) for each in how.get("estimates", [("a",), ("b",)]))
    expected = Expectation(judge, estimates, (), (), blank, blank, blank, blank, np.zeros(3, dtype=bool))
    matched = Matched(images, how.get("unmatched", {}), how.get("changed", 0))
    chosen = dataclasses.replace(SETTINGS, **settings)
    assert list(relation_notes(images, [evaluation(*each) for each in given], matched, chosen, expected)) == wanted


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
