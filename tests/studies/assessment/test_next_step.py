"""What to do next, by what is known of a site, and the command that does it."""

import dataclasses
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from howfar.results import Failures, Relation, SetEstimate
from howfar.results.assessment_result import OwnScore
from howfar.results.relation_result import Gate, GateReading
from howfar.studies.assessment.site_answers import Commands, Enough, answer, basis_note, failing_words, next_step, own_words
from howfar.tasks.classification_task import ClassificationTask
from howfar.tasks.detection_task import DetectionTask
from howfar.tasks.segmentation_task import SegmentationTask
from howfar.tasks.task import Task
from snapshots import check

COMMANDS = Commands("p=/p", {"a b": "a b=/data/a b"}, "", Path("maps"), Path("run"))
FAR = GateReading(
    "distance", 1.42, None, 1.33, False, "farther than any labelled dataset (distance 1.42)", "label 8: howfar certify SITE"
)
THIN = GateReading("tiles", 0.1, 0.5, None, False, "whole images and their tiles agree less", "predict by tiles: --tile")
IN = GateReading("distance", 1.1, None, 1.33, True, "distance 1.1")


BY_TILES = replace(COMMANDS, model="m", tiled=True, chosen=("--limit", "30"))


def estimate(predicted: float, half: float, measured: float | None = None) -> SetEstimate:
    return SetEstimate("a b", "boosted", 80, predicted, predicted - half, predicted + half, 0.9, measured)


@pytest.mark.parametrize(
    ("expected", "readings", "commands", "action", "end"),
    [
        (estimate(0.7, 0.05), (FAR,), COMMANDS, "certify", "-k 8"),
        (estimate(0.7, 0.05), (FAR, THIN), COMMANDS, "tile", "-o 'maps-tiled/a b'"),
        (estimate(0.7, 0.05), (THIN,), BY_TILES, "certify", "-k 8"),
        (estimate(0.7, 0.05), (IN,), COMMANDS, "check", "'a b-new=NEW' --predictions maps --out run-new"),
        (estimate(0.7, 0.05), (IN,), BY_TILES, "check", "'a b-new=NEW' --model m --tile --limit 30 --out run-new"),
        (estimate(0.7, 0.15), (IN,), COMMANDS, "certify", "-k 16"),
        (estimate(0.5, 0.3), (IN,), COMMANDS, "certify", "-k 16"),
        (estimate(0.3, 0.05), (IN,), COMMANDS, "label", "-k 8 --strategy random"),
        (estimate(0.4, 0.15), (IN,), COMMANDS, "certify", "--predictions 'maps/a b' --until 'F >= 0.5'"),
        (estimate(0.7, 0.3, measured=0.3), (FAR,), COMMANDS, "adapt", "--out 'run-adapted-a b'"),
        (estimate(0.3, 0.3, measured=0.8), (FAR,), COMMANDS, "check", "--out run-new"),
        (None, (IN,), COMMANDS, "certify", "-k 16"),
    ],
)
def test_one_thing_to_do(expected, readings, commands, action, end):
    step = next_step("a b", expected, Gate("a b", readings), Enough(0.5), commands, 80)
    assert step.action == action
    assert step.command.endswith(end)
    few = next_step("a b", expected, Gate("a b", readings), Enough(0.5), commands, 5)
    assert few.command == step.command.replace("-k 8", "-k 5").replace("-k 16", "-k 5")


def test_commands_are_quoted_and_name_the_run() -> None:
    step = next_step("a b", estimate(0.3, 0.05), Gate("a b", (IN,)), Enough(0.5), COMMANDS, 80)
    assert step.command == "howfar select run --dataset 'a b' -k 8 --strategy random"
    low = next_step("a b", estimate(0.7, 0.1, measured=0.3), None, Enough(0.5), COMMANDS, 80)
    trained = "--model unetplusplus --way scale --shots 0,3,7 --out 'run-adapted-a b'"
    assert low.command == f"howfar adapt p=/p 'a b=/data/a b' {trained}"
    own = next_step("a b", estimate(0.7, 0.1, measured=0.3), None, Enough(0.5), replace(COMMANDS, segmenter="frozen"), 80)
    assert low.text == own.text == "train the model on some of the labelled images, as the score is below 0.5."
    assert "--model frozen" in own.command
    by_model = Commands("p=/p", {"s": "s=/s", "t": "t=/t"}, "m.onnx", Path("run/maps"), Path("run"), chosen=("--limit", "30"))
    again = next_step("s", estimate(0.7, 0.1), Gate("s", (THIN,)), Enough(0.5), by_model, 80)
    assert again.command == "howfar assess p=/p s=/s t=/t --model m.onnx --tile --limit 30 --out run-tiled"


UNKNOWN = GateReading("residual", None, None, None, None, "distance off the primary's subspace is not known")


def test_sentences_say_what_is_expected_or_measured_and_how_often_such_intervals_held() -> None:
    said: list[tuple[SetEstimate, tuple[GateReading, ...], str, tuple[int, int]]] = [
        (estimate(0.58, 0.09), (IN,), "These fail.", (4, 5)),
        (estimate(0.68, 0.14), (IN,), "", (4, 5)),
        (estimate(0.58, 0.09), (FAR, THIN), "These fail.", (4, 5)),
        (estimate(0.58, 0.09, measured=0.6), (FAR,), "These fail.", (4, 5)),
        (estimate(0.5, 0.1, measured=0.7), (IN,), "", (2, 2)),
        (estimate(0.5, 0.3, measured=0.8), (IN,), "", (2, 2)),
        (estimate(0.5, 0.3), (IN,), "These fail.", (2, 2)),
        (estimate(0.3, 0.3), (IN,), "", (2, 2)),
        (estimate(0.58, 0.09), (IN, UNKNOWN), "", (0, 0)),
    ]
    lines = [
        answer("a b", expected, Gate("a b", readings), failing, held, "labelled sites", "F", (12, 60), ("p", 0.8))
        for expected, readings, failing, held in said
    ]
    lines += [own_words(OwnScore(30, 0.79, 0.46, "the checkpoint's", 0.83, 0.61), "roads", 30, "F", True)]
    lines += [Enough(0.5, home).words("F") for home in (None, ("roads", 0.8), ("roads", 0.6))]
    lines += [own_words(OwnScore(9, 0.9, None, ""), "scenes", 12, "accuracy", held_out) for held_out in (True, False)]
    lines += [basis_note("corrupted", 22, "roads", ["walls"]), basis_note("corrupted", 22, "roads")]
    check("\n".join(lines), Path(__file__).parent / "snapshots" / "sentences.md")
    assert basis_note("sites", 22, "roads") == ""


@pytest.mark.parametrize(
    ("expected", "own", "action", "words"),
    [
        # From 0.97 at home to 0.60 here is no good score, though it is above the default τ.
        (estimate(0.7, 0.1, measured=0.6), False, "adapt", "the score is below 0.77"),
        (estimate(0.7, 0.1, measured=0.6), True, "check", "nothing now, as the score reaches the minimum, 0.5."),
        (estimate(0.7, 0.1, measured=0.4), False, "adapt", "the score is below 0.77"),
        (estimate(0.7, 0.1, measured=0.8), False, "check", "nothing now, as the score reaches the minimum, 0.77."),
        (estimate(0.7, 0.1, measured=0.99), False, "check", "nothing now, as the score reaches the minimum, 0.77."),
        (estimate(0.6, 0.1), False, "label", "a score below 0.77 is expected here"),
        (estimate(0.7, 0.1), False, "certify", "the model scores 0.77 here"),
        (estimate(0.85, 0.05), False, "check", "nothing now, as the expected score reaches the minimum, 0.77."),
        (estimate(0.6, 0.1), True, "check", "nothing now, as the expected score reaches the minimum, 0.5."),
    ],
)
def test_without_a_tau_of_the_users_own_a_large_drop_from_home_is_too_low(expected, own, action, words) -> None:
    step = next_step("a b", expected, None, Enough(0.5, None if own else ("p", 0.97)), COMMANDS, 80)
    assert step.action == action
    assert words in step.text


@pytest.mark.parametrize("expected", [estimate(0.7, 0.1, measured=0.4), estimate(0.3, 0.1), estimate(0.45, 0.1)])
def test_a_classifier_is_trained_by_its_owner(expected) -> None:
    for task, own in ((ClassificationTask, True), (SegmentationTask, False)):
        text = next_step("a b", expected, None, Enough(0.5), replace(COMMANDS, task=task), 80).text
        assert text.count("train ") == 1
        assert (" by your own code (howfar trains only segmenters)" in text) is own


def related(performance: list[float], listed: list[bool], inside: bool = True, site: str = "a b") -> Relation:
    """A site, and a labelled site of which one of two listed images does not fail."""
    n = len(performance)
    images = pd.DataFrame(
        {
            "dataset": [site] * n + ["known"] * 2,
            "image": [f"{k}.png" for k in range(n)] + ["x.png", "y.png"],
            "performance": [*performance, 0.1, 0.9],
            "estimate": [*(0.1 * (n - k) for k in range(n)), 0.2, 0.3],
            "listed": [*listed, True, True],
            "foreground": np.nan,
        }
    )
    failures = (Failures(site, 0.5, 0.2, "boosted", n, sum(listed)),)
    fields: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Relation))
    settings = SimpleNamespace(tau=0.5)
    gates = (Gate(site, (IN if inside else FAR,)),)
    return Relation(**{**fields, "images": images, "failures": failures, "gates": gates, "settings": settings})


NAN = float("nan")
WRONG = "such lists were wrong about 1 of 2 labelled images, more than the stated 20 %."


@pytest.mark.parametrize(
    ("relation", "task", "words"),
    [
        (
            related([NAN] * 6, [False, True, True, True, True, False]),
            SegmentationTask,
            f"4 of 6 images probably fail (F below 0.5), the most probable first: 4.png, 3.png, 2.png and 1 more; {WRONG}",
        ),
        (
            related([NAN] * 3, [True, False, False]),
            ClassificationTask,
            f"1 of 3 images is probably misclassified, the most probable first: 0.png; {WRONG}",
        ),
        (
            related([NAN] * 3, [False] * 3),
            DetectionTask,
            "Which images probably have wrong or missing boxes (F1 below 0.5) is not known: no list can be given with at most "
            "20 % of it wrong.",
        ),
        (
            related([NAN] * 3, [True, True, False], inside=False),
            SegmentationTask,
            "Do not rely on its list of probable failures either (2 of 3 images, the most probable first: 1.png, 0.png).",
        ),
        (
            related([NAN] * 3, [False] * 3, inside=False),
            SegmentationTask,
            "Do not rely on its list of probable failures either, which is empty.",
        ),
        (
            related([0.0, 1.0, NAN], [True, True, False]),
            ClassificationTask,
            "1 of 2 labelled images is misclassified: 0.png. Which images are probably misclassified is not known: no list can "
            "be given with at most 20 % of it wrong.",
        ),
        (
            related([1.0, 0.9], [False, False]),
            DetectionTask,
            "0 of 2 labelled images have wrong or missing boxes (F1 below 0.5).",
        ),
    ],
)
def test_failing_images_are_named_from_the_one_list(relation: Relation, task: type[Task], words: str) -> None:
    assert failing_words(relation, "a b", task) == words


@pytest.mark.parametrize(
    ("whole", "tiled", "words"),
    [
        (estimate(0.3, 0.05), estimate(0.48, 0.05), "0.48 is expected, in place of 0.30."),
        (estimate(0.3, 0.05, 0.2), estimate(0.3, 0.05, 0.35), "0.35 was measured by tiles, 0.20 whole; that is still below"),
        (estimate(0.3, 0.05), estimate(0.31, 0.05), ""),
        (estimate(0.3, 0.05), None, ""),
    ],
)
def test_tiles_are_advised_where_they_are_expected_to_gain(whole: SetEstimate, tiled: SetEstimate | None, words: str) -> None:
    step = next_step("a b", whole, Gate("a b", (IN,)), Enough(0.5), COMMANDS, 80, tiled)
    assert (step.action == "tile") is bool(words)
    assert words in step.text
