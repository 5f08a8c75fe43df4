"""What to do next, by what is known of a site, and the command that does it."""

from dataclasses import replace
from pathlib import Path

import pytest

from howfar.results import Failures, SetEstimate
from howfar.results.assessment_result import OwnScore
from howfar.results.relation_result import Gate, GateReading
from howfar.studies.assessment.answers import Commands, answer, basis_note, next_step, own_words
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
    step = next_step("a b", expected, Gate("a b", readings), None, 0.5, commands, 80)
    assert step.action == action
    assert step.command.endswith(end)
    few = next_step("a b", expected, Gate("a b", readings), None, 0.5, commands, 5)
    assert few.command == step.command.replace("-k 8", "-k 5").replace("-k 16", "-k 5")


def test_commands_are_quoted_and_name_the_run() -> None:
    step = next_step("a b", estimate(0.3, 0.05), Gate("a b", (IN,)), LISTED, 0.5, COMMANDS, 80)
    assert step.command == "howfar select run --dataset 'a b' -k 8 --strategy random"
    assert "12 probable failures" in step.text
    low = next_step("a b", estimate(0.7, 0.1, measured=0.3), None, None, 0.5, COMMANDS, 80)
    trained = "--model unetplusplus --way scale --shots 0,3,7 --out 'run-adapted-a b'"
    assert low.command == f"howfar adapt p=/p 'a b=/data/a b' {trained}"
    assert low.text.startswith("train on a few of its labelled images, as the model scores below 0.5 here. ")
    assert low.text.endswith("howfar cannot train this model: the command trains howfar's own unetplusplus instead.")
    own = next_step("a b", estimate(0.7, 0.1, measured=0.3), None, None, 0.5, replace(COMMANDS, segmenter="frozen"), 80)
    assert own.text == "train on a few of its labelled images, as the model scores below 0.5 here."
    assert "--model frozen" in own.command
    by_model = Commands("p=/p", {"s": "s=/s", "t": "t=/t"}, "m.onnx", Path("run/maps"), Path("run"), chosen=("--limit", "30"))
    again = next_step("s", estimate(0.7, 0.1), Gate("s", (THIN,)), None, 0.5, by_model, 80)
    assert again.command == "howfar assess p=/p s=/s t=/t --model m.onnx --tile --limit 30 --out run-tiled"


LISTED = Failures("a b", 0.5, 0.2, "boosted", 80, 12)
UNKNOWN = GateReading("residual", None, None, None, None, "distance off the primary's subspace is not known")


def test_sentences_say_what_is_expected_or_measured_and_how_often_such_intervals_held() -> None:
    said: list[tuple[SetEstimate, tuple[GateReading, ...], Failures | None, tuple[int, int]]] = [
        (estimate(0.58, 0.09), (IN,), LISTED, (4, 5)),
        (estimate(0.58, 0.09), (IN,), replace(LISTED, listed=0), (4, 5)),
        (estimate(0.58, 0.09), (FAR, THIN), LISTED, (4, 5)),
        (estimate(0.58, 0.09, measured=0.6), (FAR,), None, (4, 5)),
        (estimate(0.5, 0.1, measured=0.7), (IN,), None, (2, 2)),
        (estimate(0.5, 0.3, measured=0.8), (IN,), None, (2, 2)),
        (estimate(0.5, 0.3), (IN,), None, (2, 2)),
        (estimate(0.58, 0.09), (IN, UNKNOWN), None, (0, 0)),
    ]
    lines = [
        answer("a b", expected, Gate("a b", readings), listed, held, 0.5, "labelled sites", "F", (12, 60), ("p", 0.8))
        for expected, readings, listed, held in said
    ]
    lines += [own_words(OwnScore(30, 0.79, 0.46, "the checkpoint's", 0.83, 0.61), "roads", "F", True)]
    lines += [own_words(OwnScore(9, 0.9, None, ""), "scenes", "accuracy", held_out) for held_out in (True, False)]
    lines += [basis_note("corrupted", 22, "roads", ["walls"]), basis_note("corrupted", 22, "roads")]
    check("\n".join(lines), Path(__file__).parent / "snapshots" / "sentences.md")
    assert basis_note("sites", 22, "roads") == ""


@pytest.mark.parametrize(
    ("whole", "tiled", "words"),
    [
        (estimate(0.3, 0.05), estimate(0.4, 0.05), "0.40 is expected, in place of 0.30"),
        (estimate(0.3, 0.05, 0.2), estimate(0.3, 0.05, 0.35), "0.35 was measured by tiles, 0.20 whole"),
        (estimate(0.3, 0.05), estimate(0.31, 0.05), ""),
        (estimate(0.3, 0.05), None, ""),
    ],
)
def test_tiles_are_advised_where_they_are_expected_to_gain(whole: SetEstimate, tiled: SetEstimate | None, words: str) -> None:
    step = next_step("a b", whole, Gate("a b", (IN,)), None, 0.5, COMMANDS, 80, tiled)
    assert (step.action == "tile") is bool(words)
    assert words in step.text
