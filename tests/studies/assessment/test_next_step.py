"""What to do next, by what is known of a site, and the command that does it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from howfar.results import Failures, SetEstimate
from howfar.results.gate import Gate, GateReading
from howfar.studies.assessment.next_step import Commands, next_step
from howfar.studies.assessment.words import ALONE, WITH_FOUR, answer, basis_note

COMMANDS = Commands("p=/p", {"a b": "a b=/data/a b"}, "", Path("maps"), Path("run"))
FAR = GateReading(
    "distance", 1.42, None, 1.33, False, "farther than anything labelled (distance 1.42)", "label 8: howfar certify SITE"
)
THIN = GateReading("tiles", 0.1, 0.5, None, False, "whole images and their tiles agree less", "predict by tiles: --tile")
IN = GateReading("distance", 1.1, None, 1.33, True, "distance 1.1")


def estimate(predicted: float, half: float, measured: float | None = None) -> SetEstimate:
    return SetEstimate("a b", "boosted", 80, predicted, predicted - half, predicted + half, 0.9, measured)


@pytest.mark.parametrize(
    ("expected", "readings", "commands", "action"),
    [
        (estimate(0.7, 0.05), (FAR,), COMMANDS, "certify"),
        (estimate(0.7, 0.05), (FAR, THIN), COMMANDS, "tile"),
        (estimate(0.7, 0.05), (THIN,), Commands("p=/p", {"a b": "x"}, "m", Path("maps"), Path("run"), tiled=True), "certify"),
        (estimate(0.7, 0.05), (IN,), COMMANDS, "check"),
        (estimate(0.7, 0.15), (IN,), COMMANDS, "certify"),
        (estimate(0.3, 0.05), (IN,), COMMANDS, "label"),
        (estimate(0.4, 0.15), (IN,), COMMANDS, "certify"),
        (estimate(0.7, 0.3, measured=0.3), (FAR,), COMMANDS, "adapt"),
        (estimate(0.3, 0.3, measured=0.8), (FAR,), COMMANDS, "check"),
        (None, (IN,), COMMANDS, "certify"),
    ],
)
def test_one_thing_to_do(
    expected: SetEstimate | None, readings: tuple[GateReading, ...], commands: Commands, action: str
) -> None:
    assert next_step("a b", expected, Gate("a b", readings), None, 0.5, commands).action == action


def test_commands_are_quoted_and_name_the_run() -> None:
    step = next_step(
        "a b", estimate(0.3, 0.05), Gate("a b", (IN,)), Failures("a b", 0.5, 0.2, "boosted", 80, 12), 0.5, COMMANDS
    )
    assert step.command == "howfar select run --dataset 'a b' -k 8 --strategy random"
    assert "12 probable failures" in step.text
    tile = next_step("a b", estimate(0.7, 0.1), Gate("a b", (THIN,)), None, 0.5, COMMANDS)
    assert tile.command == "howfar predict CKPT 'a b=/data/a b' --tile -o 'maps-tiled/a b'"
    low = next_step("a b", estimate(0.7, 0.1, measured=0.3), None, None, 0.5, COMMANDS)
    trained = "--model unetplusplus --way scale --shots 0,3,7 --out 'run-adapted-a b'"
    assert low.command == f"howfar adapt p=/p 'a b=/data/a b' {trained}"
    assert low.text.startswith("the model scores below 0.5 here")
    by_model = Commands("p=/p", {"s": "s=/s", "t": "t=/t"}, "m.safetensors", Path("run/maps"), Path("run"))
    again = next_step("s", estimate(0.7, 0.1), Gate("s", (THIN,)), None, 0.5, by_model)
    assert again.command == "howfar assess p=/p s=/s t=/t --model m.safetensors --tile --out run-tiled"


def test_an_interval_that_holds_tau_asks_for_labels_until_that_is_settled() -> None:
    step = next_step("a b", estimate(0.4, 0.15), Gate("a b", (IN,)), None, 0.5, COMMANDS)
    assert step.command == "howfar certify 'a b=/data/a b' --predictions 'maps/a b' --until 'F >= 0.5'"
    assert "badly" not in step.text


def test_asking_again_keeps_the_options() -> None:
    chosen = Commands("p=/p", {"s": "s=/s"}, "m.onnx", Path("run/maps"), Path("run"), tiled=True, chosen=("--limit", "30"))
    assert chosen.check("s") == "howfar assess p=/p s=/s s-new=NEW --model m.onnx --tile --limit 30 --out run-new"
    whole = Commands("p=/p", {"s": "s=/s"}, "m.onnx", Path("run/maps"), Path("run"), chosen=("--limit", "30"))
    assert whole.tile("s") == "howfar assess p=/p s=/s --model m.onnx --tile --limit 30 --out run-tiled"


def test_sentences_say_what_is_expected_and_how_often_such_intervals_held() -> None:
    listed = Failures("a b", 0.5, 0.2, "boosted", 80, 12)
    told = answer("a b", estimate(0.58, 0.09), Gate("a b", (IN,)), listed, (4, 5), 0.5, "labelled sets")
    assert told == (
        "a b: F 0.58 expected, 0.49 to 0.67 (90 %; such intervals held 4 of 5 labelled sets). "
        "12 of 80 images probably fail (F below 0.5)."
    )
    far = answer("a b", estimate(0.58, 0.09), Gate("a b", (FAR, THIN)), listed, (4, 5), 0.5, "labelled sets")
    assert far == (
        "a b: do not believe an estimate. Farther than anything labelled (distance 1.42); also whole images and their tiles "
        "agree less."
    )
    assert "0.58" not in far
    known = answer("a b", estimate(0.58, 0.09, measured=0.6), Gate("a b", (FAR,)), None, (4, 5), 0.5, "labelled sets")
    assert known.endswith(
        "which held. It lies outside the other labelled datasets. Farther than anything labelled (distance 1.42)."
    )
    empty = answer("a b", estimate(0.5, 0.5), None, None, (2, 2), 0.5, "labelled sets")
    assert empty == "a b: F 0.50 expected; too few datasets are labelled for an interval that says anything."
    missed = answer("a b", estimate(0.5, 0.1, measured=0.7), None, None, (2, 2), 0.5, "labelled sets")
    assert missed.endswith("Without its labels 0.50 would have been expected, 0.40 to 0.60 (90 %), which did not hold.")


def test_the_errors_that_the_note_names_are_those_of_the_benchmark() -> None:
    file = Path(__file__).parents[3] / "benchmarks" / "results" / "no_foreign_labels.json"
    rows = json.loads(file.read_text())["results"]["over models"]
    found = {row["fitted on"]: row["mae"] for row in rows if row["estimator"] == "boosted"}
    assert round(found["held-out, corrupted"], 3) == ALONE
    assert round(found["held-out and other foreign sets"], 3) == WITH_FOUR


def test_the_note_counts_labelled_sites() -> None:
    assert basis_note("both", 2, 22, "roads").startswith("Only 2 foreign sets are labelled: the answers rest on 22 corrupted")
    assert basis_note("both", 1, 22, "roads").startswith("Only 1 foreign set is labelled")
