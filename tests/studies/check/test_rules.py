"""Rules are read from files, and decide: pass, breach, or undecided until some images are labelled."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from howfar.errors import HowfarError, InputError, MissingPathError
from howfar.relation.gate import fit
from howfar.results.check_result import CheckedDataset, Decision
from howfar.results.relation_result import Gate, GateReading, SetEstimate
from howfar.studies.check.rules import (
    LARGEST,
    TEMPLATE,
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
    with pytest.raises(InputError, match="must be readable text"):
        read_rules(tmp_path)
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


# What rules decide


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
        f"label about {count} images, all drawn anew at random: howfar certify site -k {count} --out certify-site-{count}"
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
        assert "not to be believed outside the gate: farther than any labelled dataset" in predicted.words
        known = RuleFacts(batch(), gate=FAR, failing=failing(low, high))
        *_, both = decisions_of(read_rules({**rule, "gate": "inside"}), known)
        assert both.words.endswith("not to be believed outside the gate")  # the rule on the gate has said why
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


def test_unreadable_files_images_and_distance() -> None:
    rules = read_rules({"unreadable": {"at_most_share": 0.1}, "images": {"at_least": 100}, "distance": {"at_most_share": 0.1}})
    outcomes = {each.rule: each.outcome for each in decisions_of(rules, RuleFacts(batch(n=90, unreadable=10, far=9)))}
    assert outcomes == {"images": "breach", "unreadable": "pass", "distance": "pass"}
    worse = {each.rule: each.shown for each in decisions_of(rules, RuleFacts(batch(n=100, unreadable=12, far=11)))}
    assert worse == {"images": "pass", "unreadable": "breach", "distance": "warn"}
    nothing = {each.rule: each.outcome for each in decisions_of(rules, RuleFacts(batch(n=0, unreadable=3)))}
    assert nothing == {"images": "breach", "unreadable": "breach", "distance": "undecided"}


def test_a_remedy_quotes_the_name_of_a_dataset_as_a_shell_needs_it() -> None:
    decision = decided({"performance": {"at_least": 0.6}}, RuleFacts(batch(dataset="my $(site)")))
    assert "howfar certify 'my $(site)' -k" in decision.remedy
