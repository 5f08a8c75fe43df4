from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.results.check import CheckedDataset, LogRow
from howfar.studies.check.log import alarm_decision, read_alarm
from howfar.studies.check.rules import AlarmRule


def rows(count: int, k: int, fall: float = 0.0, seed: int = 0, mean: float = 0.8) -> list[LogRow]:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        predicted = np.clip(rng.normal(mean, 0.1, 60), 0, 1)
        measured = np.clip(predicted + rng.normal(-fall, 0.07, 60), 0, 1)
        batch = CheckedDataset("site", 60, mean_predicted=float(predicted.mean()))
        batch = replace(batch, measured=tuple(measured[:k].tolist()), predicted=tuple(predicted[:k].tolist()))
        made.append(LogRow(f"2026-02-{number + 1:02}T00:00:00+00:00", "roads", f"{seed}-{number}", batch, {}, "pass"))
    return made


@pytest.mark.parametrize(
    "asked", [{"at_least": 0.78}, {"tolerated_drop": 0.01}, {"tolerated_drop": 0.01, "spread": "in_control"}]
)
def test_a_fall_is_a_breach_and_none_is_a_pass(asked: dict[str, Any]) -> None:
    before, well = rows(6, 20, seed=1), rows(20, 5, seed=2)
    for since, outcome in ((well, "pass"), ([*well[:5], *rows(15, 5, fall=0.2, seed=3)], "breach")):
        reading = read_alarm(AlarmRule(**asked), before, since)
        assert (reading.basis, reading.batches, reading.images) == ("labels", 20, 100)
        decision = alarm_decision(AlarmRule(**asked), reading)
        assert decision.outcome == outcome
        assert "at most 5 % false alarms over all time" in decision.words
        assert ("no wider than before" in decision.words) == (asked.get("spread") == "in_control")
        assert (reading.raised is not None) == (outcome == "breach")
        assert (max(reading.evidence) >= 1) == (outcome == "breach")


def test_an_alarm_stays_raised() -> None:
    fallen = [*rows(10, 8, fall=0.2, seed=3), *rows(80, 8, seed=4, mean=0.9)]
    reading = read_alarm(AlarmRule(at_least=0.78), [], fallen)
    assert reading.evidence[-1] < 1
    assert alarm_decision(AlarmRule(at_least=0.78), reading).outcome == "breach"


def test_without_labels_the_estimate_is_judged_and_proves_no_harm() -> None:
    for mean, outcome in ((0.8, "pass"), (0.3, "undecided")):
        unlabelled = [replace(row, batch=replace(row.batch, measured=(), predicted=())) for row in rows(25, 0, mean=mean)]
        reading = read_alarm(AlarmRule(at_least=0.7), [], unlabelled)
        assert reading.basis == "estimates"
        decision = alarm_decision(AlarmRule(at_least=0.7), reading)
        assert decision.outcome == outcome
        assert "nothing is known of true performance without labels" in decision.words


def test_too_little_to_judge_by_is_undecided() -> None:
    for asked, before in (({"tolerated_drop": 0.0}, rows(2, 10)), ({"at_least": 0.7}, [])):
        since = rows(3, 5) if before else []
        decision = alarm_decision(AlarmRule(**asked), read_alarm(AlarmRule(**asked), before, since))
        assert decision.outcome == "undecided"
        assert decision.remedy


def test_the_spread_in_control_needs_predictions() -> None:
    since = [replace(row, batch=replace(row.batch, predicted=(None,) * 5)) for row in rows(3, 5)]
    with pytest.raises(InputError, match="in_control needs predictions of every labelled image"):
        read_alarm(AlarmRule(at_least=0.7, spread="in_control"), rows(6, 20), since)
    assert read_alarm(AlarmRule(at_least=0.7), rows(6, 20), since) is not None


def test_a_level_that_tolerates_all_is_refused() -> None:
    with pytest.raises(InputError, match="tolerate a smaller drop"):
        read_alarm(AlarmRule(tolerated_drop=0.9), rows(6, 20), rows(3, 5))
