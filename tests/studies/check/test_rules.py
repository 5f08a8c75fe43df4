"""Rules of a check, how each is decided, and the log over time with its alarm."""

import json
import multiprocessing
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from howfar.errors import HowfarError, InputError, MissingPathError, StoreError
from howfar.relation.gate import fit
from howfar.results.check_result import CheckedDataset, Decision, LogRow
from howfar.results.relation_result import Gate, GateReading, SetEstimate
from howfar.studies.check import log_and_alarm as log
from howfar.studies.check.log_and_alarm import alarm_decision, read_alarm
from howfar.studies.check.rules import (
    LARGEST,
    TEMPLATE,
    AlarmRule,
    RuleFacts,
    SourcedInterval,
    decisions_of,
    labels_to_decide,
    read_rules,
    write_start,
)

BOMB = "a: &a [x, x, x]\n" + "".join(
    f"{name}: &{name} [*{last}, *{last}, *{last}]\n" for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def refused(tmp_path: Path, text: str, name: str = "rules.yaml") -> str:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(HowfarError) as error:
        read_rules(file)
    assert isinstance(error.value, InputError)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_yaml_and_toml_say_the_same(tmp_path: Path) -> None:
    yaml, toml = tmp_path / "rules.yml", tmp_path / "rules.toml"
    yaml.write_text("performance: {at_least: 0.6, bound: value}\ngate: inside\nalarm: {at_least: 0.5, since: 2026-01-31}\n")
    toml.write_text(
        'gate = "inside"\n[performance]\nat_least = 0.6\nbound = "value"\n[alarm]\nat_least = 0.5\nsince = 2026-01-31\n'
    )
    assert read_rules(yaml) == read_rules(toml)
    assert read_rules(yaml).failures is None
    assert read_rules(read_rules(yaml)) == read_rules(toml)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("performnce: {at_least: 0.6}", "key of rules must be a known one, got 'performnce': did you mean performance?"),
        ("performance: {at_last: 0.6}", "key of rule performance must be a known one, got 'at_last': did you mean at_least?"),
        ("gate: {must_by: inside}", "did you mean must_be?"),
        ("1: {at_least: 0.6}", "the keys are performance, failures, gate"),
        ("performance: {bound: low}", "performance.at_least must be given in the rules"),
        ("performance: {at_least: '0.6'}", "performance.at_least must"),
        ("performance: {at_least: .nan}", "performance.at_least must"),
        ("performance: {at_least: true}", "performance.at_least must"),
        ("performance: {at_least: 0.6, bound: high}", "performance.bound must"),
        ("performance: {at_least: 0.6, severity: fatal}", "performance.severity must"),
        ("performance: 0.6", "performance must"),
        ("performance:", "rule performance must have a value"),
        ("images: {at_least: 2.5}", "images.at_least must"),
        ("gate: outside", "gate must be inside, got"),
        ("distance: {at_most_share: 0.1, severity: breach}", "distance.severity must be warn, got 'breach': distance is"),
        ("alarm: {at_least: 0.5, tolerated_drop: 0.1}", "give at_least, or tolerated_drop"),
        ("alarm: {at_least: 0.5, since: soon}", "'soon' is no date"),
        ("", "must hold at least one rule by name, got 'nothing': howfar check --new writes a start"),
        ("- performance", "got 'list'"),
        ("images: {at_least: 2}\nimages: {at_least: 3}", "images stands there twice, first in line 1"),
        (BOMB, "aliases are not read: *a in line 2"),
        ("[" * 9000, "nested deeper than 8 levels, in line 1"),
        ("images: " + "{a: " * 3000 + "1" + "}" * 3000, "nested deeper than 8 levels"),
        ("performance: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("performance: {at_least: 0.6", "must be a YAML or TOML file that can be read"),
        ("? [a]\n: b", "unhashable"),
        ("a\0b: 1", "special characters are not allowed"),
        ("x" * (LARGEST + 1), "must be a file of at most 65,536 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_rules_file_is_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    started = time.monotonic()
    assert line in refused(tmp_path, text)
    assert time.monotonic() - started < 3


def test_bytes_that_are_no_text_and_no_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="must be readable text"):
        read_rules(file)
    with pytest.raises(MissingPathError, match="howfar check --new writes a start"):
        read_rules(tmp_path / "none.yaml")


def test_the_start_is_a_rules_file_and_so_is_it_with_its_comments_taken_away(tmp_path: Path) -> None:
    file = write_start(tmp_path / "rules.yaml")
    rules = read_rules(file)
    assert rules.performance is not None
    assert rules.alarm is None
    lines = [
        line.removeprefix("# ") if "alarm:" in line or line.startswith("#   ") else line
        for line in TEMPLATE.read_text().splitlines()
    ]
    file.write_text("\n".join(lines))
    alarm = read_rules(file).alarm
    assert (alarm.at_least, alarm.since) == (0.55, "2026-01-01")
    with pytest.raises(InputError, match="must not be there yet"):
        write_start(file)
    with pytest.raises(InputError, match="folder that is there"):
        write_start(tmp_path / "none" / "rules.yaml")
    with pytest.raises(InputError, match=r"must end in \.yaml"):
        write_start(tmp_path / "rules.toml")


FAR = Gate(
    "site",
    (GateReading("distance", 1.4, 1.0, 1.2, False, "farther than any labelled dataset", "label 8: howfar certify SITE"),),
)
NEAR = Gate("site", (GateReading("distance", 1.1, 1.0, 1.2, True, "as far as labelled datasets"),))
UNKNOWN = Gate("site", (GateReading("distance", None, None, None, None, "not known"),))


@dataclass(frozen=True)
class Certificate:
    """What a rule reads of a certificate."""

    value: float | None
    low: float | None
    high: float | None
    labelled: int = 16
    level: float = 0.9
    dataset: str = "site"
    metric: str = "mean_f"
    n: int = 200
    anytime: bool = True
    unlabelled: int = 0


def estimate(value: float, low: float, high: float) -> SetEstimate:
    return SetEstimate("site", "boosted", 200, value, low, high, 0.9, None)


def decided(rule: dict[str, Any], known: RuleFacts) -> Decision:
    (decision,) = decisions_of(read_rules(rule), known)
    return decision


def batch(**changes: Any) -> CheckedDataset:
    return CheckedDataset(**{"dataset": "site", "n": 200, "judged": 200, **changes})


@pytest.mark.parametrize(
    ("low", "high", "outcome"), [(0.6, 0.7, "pass"), (0.5, 0.599, "breach"), (0.59, 0.7, "undecided"), (0.5, 0.6, "undecided")]
)
def test_performance_is_decided_by_the_interval(low: float, high: float, outcome: str) -> None:
    known = RuleFacts(batch(), estimate((low + high) / 2, low, high), gate=NEAR)
    decision = decided({"performance": {"at_least": 0.6}}, known)
    assert decision.outcome == outcome
    assert (decision.labels is not None) == (outcome == "undecided")
    assert decision.words.startswith("estimated")
    by_value = decided({"performance": {"at_least": 0.6, "bound": "value"}}, known)
    assert by_value.outcome == ("pass" if (low + high) / 2 >= 0.6 else "breach")
    judged = decided({"performance": {"at_least": 0.6}}, replace(known, spread=0.12))
    assert judged.labels is None or judged.labels < decision.labels


def test_a_certificate_goes_before_an_estimate_and_holds_outside_the_gate() -> None:
    rule = {"performance": {"at_least": 0.6}}
    known = RuleFacts(batch(), estimate(0.9, 0.85, 0.95), Certificate(0.4, 0.3, 0.5), FAR)
    decision = decided(rule, known)
    assert (decision.outcome, decision.value) == ("breach", 0.4)
    assert decision.words == "certified 0.40 [0.30, 0.50] (90 % interval)"
    other = decided(rule, RuleFacts(batch(), certificate=Certificate(0.4, 0.3, 0.5, metric="ods", n=150)))
    assert other.words == "certified ods 0.40 [0.30, 0.50] (90 % interval, of 150 of 200 images)"


def test_an_estimate_outside_the_gate_decides_nothing() -> None:
    for low, high in ((0.8, 0.9), (0.1, 0.2)):
        decision = decided({"performance": {"at_least": 0.6}}, RuleFacts(batch(), estimate(0.5, low, high), gate=FAR))
        assert decision.outcome == "undecided"
        assert "farther than any labelled dataset" in decision.words
        assert "howfar certify site -k 8" in decision.remedy


def test_what_is_not_known_is_undecided_with_a_remedy() -> None:
    rules = read_rules({"performance": {"at_least": 0.6}, "gate": "inside", "failures": {"at_most_share": 0.2}})
    decisions = decisions_of(rules, RuleFacts(batch(judged=0)))
    assert [each.outcome for each in decisions] == ["undecided"] * 3
    assert all(each.remedy for each in decisions)
    empty = RuleFacts(batch(), certificate=Certificate(None, None, None, labelled=0))
    assert "certificate has no value yet" in decided({"performance": {"at_least": 0.6}}, empty).words


def test_a_certificate_says_how_many_more_labels() -> None:
    decision = decided({"performance": {"at_least": 0.6}}, RuleFacts(batch(), certificate=Certificate(0.65, 0.55, 0.75)))
    # 16 labels give a half width of 0.1: half of that takes about four times as many, of 200 images a little fewer.
    assert 16 + decision.labels == pytest.approx(51, abs=4)
    assert "more images" in decision.remedy
    # Of strata one look is all that there is: a further sample is another one.
    fixed = decided(
        {"performance": {"at_least": 0.6}}, RuleFacts(batch(), certificate=Certificate(0.65, 0.55, 0.75, anytime=False))
    )
    count = 16 + (decision.labels or 0)
    assert fixed.remedy == (
        f"label about {count} images, all drawn anew at random (those drawn again keep their labels): "
        f"howfar certify site -k {count} --out certify-site-{count}"
    )
    part = Certificate(0.65, 0.55, 0.75, anytime=False, unlabelled=1)
    rest = decided({"performance": {"at_least": 0.6}}, RuleFacts(batch(), certificate=part))
    assert rest.remedy == "there is 1 drawn image without a label yet: label all that were drawn, and certify again"


def test_labels_to_decide_are_what_a_simple_random_sample_takes() -> None:
    """Of many samples of that size, drawn without replacement, about half have an interval that excludes the limit."""
    rng = np.random.default_rng(0)
    values = np.clip(rng.normal(0.65, 0.15, 500), 0, 1)
    k = labels_to_decide(float(values.mean()), float(values.mean()) - 0.05, float(values.std()), 500)
    width = 1.645 * values.std() * np.sqrt((1 - k / 500) / k)
    assert width == pytest.approx(0.05, abs=0.002)
    settled = [rng.choice(values, k, replace=False).mean() - width > values.mean() - 0.05 for _ in range(400)]
    assert 0.35 < np.mean(settled) < 0.65
    assert labels_to_decide(0.6, 0.6, 0.15, 500, labelled=480) == 20
    assert labels_to_decide(0.9, 0.1, 0.15, 5) == 5


def failing(
    low: float, high: float, source: str = "estimated", counted: tuple[int, int] = (13, 54), labelled: int = 0
) -> SourcedInterval:
    return SourcedInterval(counted[0] / counted[1], low, high, 0.9, source, labelled, counted)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(0.03, 0.41, "undecided"), (0.0, 0.2, "pass"), (0.21, 0.41, "breach"), (0.2, 0.41, "undecided")],
)
def test_failures_are_decided_by_the_interval_of_the_share_that_fails(low: float, high: float, outcome: str) -> None:
    decision = decided({"failures": {"at_most_share": 0.2}}, RuleFacts(batch(), gate=NEAR, failing=failing(low, high)))
    assert decision.outcome == outcome
    assert (decision.value, decision.low, decision.high) == (13 / 54, low, high)
    assert (decision.labels is not None) == (outcome == "undecided")
    if (low, high) == (0.03, 0.41):
        assert decision.words == "13 of 54 predicted to fail: 24 % [3 %, 41 %]"
        assert decision.cells()[3] == "24 % [3 %, 41 %]"
        assert decision.remedy.startswith(f"label about {decision.labels} images, drawn at random: howfar certify site -k")


def test_predicted_failures_outside_the_gate_decide_nothing_and_labelled_ones_do() -> None:
    rule = {"failures": {"at_most_share": 0.2}}
    for low, high in ((0.0, 0.1), (0.3, 0.4)):
        predicted = decided(rule, RuleFacts(batch(), gate=FAR, failing=failing(low, high)))
        assert (predicted.outcome, predicted.value, predicted.labels) == ("undecided", None, 8)
        assert "not to be trusted outside the gate: farther than any labelled dataset" in predicted.words
        known = RuleFacts(batch(), gate=FAR, failing=failing(low, high))
        *_, both = decisions_of(read_rules({**rule, "gate": "inside"}), known)
        assert both.words.endswith("not to be trusted outside the gate")  # the rule on the gate has said why
        labelled = failing(low, high, "certified", (3, 16), 16)
        certified = decided(rule, RuleFacts(batch(), None, Certificate(0.4, 0.3, 0.5), FAR, failing=labelled))
        assert certified.outcome == ("pass" if high <= 0.2 else "breach")
        assert certified.words.startswith("3 of 16 labelled images fail: 19 % [")
    part = decided(rule, RuleFacts(batch(), None, Certificate(0.4, 0.3, 0.5, n=150), FAR, failing=labelled))
    assert part.words.endswith("%], of 150 of 200 images")


def test_a_certificate_settles_the_gate() -> None:
    for gate in (FAR, NEAR, UNKNOWN, None):
        decision = decided({"gate": "inside"}, RuleFacts(batch(), certificate=Certificate(0.4, 0.3, 0.5), gate=gate))
        assert (decision.outcome, decision.words, decision.remedy) == ("pass", "settled by certificate", "")
    unlabelled = RuleFacts(batch(), certificate=Certificate(None, None, None, labelled=0), gate=FAR)
    assert decided({"gate": "inside"}, unlabelled).outcome == "breach"


@pytest.mark.parametrize(
    ("values", "outcome", "unchecked", "remedy"),
    [
        ({"distance": 1.1}, "undecided", "share, scale, tiles", "pass the model's maps (--predictions MAPS)"),
        ({"distance": 1.1, "share": 0.1, "scale": 2.0}, "undecided", "tiles", "pass its maps by tiles (--tiles DIR)"),
        ({"distance": 1.1, "share": 0.0, "tiles": 0.9}, "undecided", "scale", "howfar certify site -k 8"),
        ({"distance": 1.1, "share": 0.1, "scale": 2.0, "tiles": 0.9}, "pass", "", ""),
        ({"distance": 9.0}, "breach", "", "howfar certify site -k 8"),
    ],
    ids=["no maps", "no tiles", "blank maps", "all", "outside"],
)
def test_the_gate_does_not_pass_on_a_part_of_its_checks(values, outcome, unchecked, remedy):
    labelled = {"distance": 1.0, "share": 0.1, "scale": 2.0, "tiles": 0.9}
    decision = decided({"gate": "inside"}, RuleFacts(batch(), gate=fit({"own": labelled}).read("site", values)))
    assert decision.outcome == outcome
    assert decision.words.endswith(f"; the gate could not check {unchecked}") is bool(unchecked)
    assert remedy in decision.remedy


def test_the_gate_of_a_profile_without_maps_passes_without_maps() -> None:
    known = fit({"own": {"distance": 1.0}})
    assert decided({"gate": "inside"}, RuleFacts(batch(), gate=known.read("site", {"distance": 1.05}))).outcome == "pass"
    beside = decided({"gate": "inside"}, RuleFacts(batch(), gate=known.read("site", {"distance": 1.05, "share": 0.1})))
    assert (beside.outcome, beside.words.partition("; ")[2]) == ("pass", "the gate could not check share")


def row(key: str, time: str = "2026-01-01T00:00:00+00:00", name: str = "site") -> LogRow:
    return LogRow(
        time, "roads", key, CheckedDataset(name, 3, measured=(0.5, 1.0), predicted=(0.4, None)), {"gate": "pass"}, "pass"
    )


def add(file: Path, *rows: LogRow) -> None:
    log.append(file, lambda earlier: rows)


def write_many(file: Path, count: int) -> None:
    """Append rows that are named by how many there are: two at once would give one name twice."""
    for _ in range(count):
        log.append(file, lambda earlier: [row(str(len(earlier)))])


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    file, odd = tmp_path / "log.jsonl", row("b", name='od"d\n\u2028 name \udcff')
    add(file, row("a"), odd)
    assert log.read(file) == ((row("a"), odd), 0)
    assert log.read(tmp_path / "none.jsonl") == ((), 0)


def test_a_batch_that_is_checked_again_counts_once(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    add(file, row("a"), row("b"))
    add(file, row("a", "2026-02-01T00:00:00+00:00"))
    rows, _ = log.read(file)
    assert [(each.key, each.time[:7]) for each in rows] == [("b", "2026-01"), ("a", "2026-02")]


@pytest.mark.parametrize("torn", [b'{"format": 1, "time": "20', b"\xff\xfe", b"null", b"[1]", b'{"format": 1}', b"[" * 5000])
def test_a_torn_line_spoils_no_other(tmp_path: Path, torn: bytes) -> None:
    file = tmp_path / "log.jsonl"
    add(file, row("a"))
    with file.open("ab") as opened:
        opened.write(torn)
    assert log.read(file) == ((row("a"),), 1)
    add(file, row("b"))
    assert log.read(file) == ((row("a"), row("b")), 1)


def test_two_writers_wait_for_each_other(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    writers = [multiprocessing.get_context("fork").Process(target=write_many, args=(file, 60)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    rows, damaged = log.read(file)
    assert ([each.key for each in rows], damaged) == ([str(number) for number in range(120)], 0)


def test_a_later_format_and_wrong_places_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text('{"format": 99}\n')
    with pytest.raises(StoreError, match="later howfar"):
        log.read(file)
    for wrong in (tmp_path, tmp_path / "none" / "log.jsonl"):
        with pytest.raises(InputError, match="log must be a file"):
            add(wrong, row("a"))
    with pytest.raises(InputError, match="can be read"):
        log.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("mean_predicted", "a"), ("mean_predicted", float("nan")), ("value", {}), ("n", "3"), ("n", -1), ("gate", 5),
     ("dataset", None), ("predicted", [True, float("inf")]), ("measured", [2.0, 0.5]), ("measured", [0.5]),
     ("measured", ["x", 0.5]), ("time", "0001-01-01T00:00:00+23:59"), ("time", "9999-12-31T23:59:59-23:59")],
)  # fmt: skip
def test_a_row_of_other_types_or_values_counts_as_damaged(tmp_path: Path, name: str, value: object) -> None:
    file = tmp_path / "log.jsonl"
    add(file, row("a"))
    written = json.loads(file.read_text(encoding="utf-8"))
    (written if name == "time" else written["batch"])[name] = value
    file.write_text(json.dumps(written) + "\n", encoding="utf-8")
    assert log.read(file) == ((), 1)


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


def test_the_spread_in_control_needs_predictions_and_a_level_that_tolerates_all_is_refused() -> None:
    since = [replace(row, batch=replace(row.batch, predicted=(None,) * 5)) for row in rows(3, 5)]
    with pytest.raises(InputError, match="in_control needs predictions of every labelled image"):
        read_alarm(AlarmRule(at_least=0.7, spread="in_control"), rows(6, 20), since)
    assert read_alarm(AlarmRule(at_least=0.7), rows(6, 20), since) is not None
    with pytest.raises(InputError, match="tolerate a smaller drop"):
        read_alarm(AlarmRule(tolerated_drop=0.9), rows(6, 20), rows(3, 5))


def test_groups_come_back_and_rows_without_them_are_those_of_before(tmp_path: Path) -> None:
    file, plain = tmp_path / "log.jsonl", row("a")
    grouped = replace(plain, key="b", batch=replace(plain.batch, groups=(0, 0), unit="frame"))
    add(file, plain, grouped)
    assert log.read(file) == ((plain, grouped), 0)
    first, second = (json.loads(line)["batch"] for line in file.read_text().splitlines())
    assert (set(second) - set(first), second["groups"]) == ({"groups", "unit"}, [0, 0])


def test_images_of_one_group_are_one_piece_of_evidence() -> None:
    """Four clips that fail say little of other clips, however many of their frames are labelled."""
    raised = []
    for groups in ((), (0,) * 8):
        failing = [replace(one, batch=replace(one.batch, groups=groups)) for one in [each([0.0] * 8)] * 4]
        reading = read_alarm(AlarmRule(at_least=0.4), (), failing)
        assert reading is not None
        assert reading.images == 32
        raised.append(reading.raised is not None)
    assert raised == [True, False]


def each(values: list[float]) -> LogRow:
    """Return a row whose labelled images have these values, all predicted as 0.5."""
    batch = CheckedDataset("site", 8, mean_predicted=0.5, measured=tuple(values), predicted=(0.5,) * len(values))
    return LogRow("2026-01-01T00:00:00+00:00", "roads", "a", batch, {}, "pass")
