import json
import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.data import parse
from howfar.demo import write_dataset
from howfar.errors import HowfarError, InputError, MissingPathError
from howfar.pipeline.profile_file import Profile
from howfar.results.certificate_result import Zone
from howfar.results.relation_result import Gate, GateReading, SetEstimate
from howfar.studies.check import log_and_alarm as logs
from howfar.studies.check.check_site import certifying
from sites_with_maps import write_site

RULES: dict[str, Any] = {"images": {"at_least": 10}, "performance": {"at_least": 0.6}, "gate": "inside"}


def rows(seed: int, n: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, size=(n, 12))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile with estimators of two labelled datasets, by embeddings."""
    folder = tmp_path_factory.mktemp("profile")
    places, known = [folder / f"{name}.npy" for name in ("near", "far")], []
    for place, shift in zip(places, (0.3, 2.0), strict=True):
        np.save(place, rows(1, 40, shift))
        performance = np.linspace(0.9, 0.7, 40) - shift / 4
        known.append(pd.DataFrame({"dataset": place.stem, "image": list(parse(place).images), "performance": performance}))
    return howfar.profile(rows(0, 60), components=6, labelled=places, performance=known).save(folder / "roads.howfar")


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Scores with an estimate of the set and a gate, which the test may change."""
    said: dict[str, Any] = {"value": (0.7, 0.65, 0.75), "inside": True}
    score = Profile.score

    def scored(self: Profile, new: Any, *arguments: Any, **options: Any) -> Any:
        scores = score(self, new, *arguments, **options)
        sets = list(dict.fromkeys(image.dataset for image in scores.images))
        reading = GateReading("distance", 1.4, 1.0, 1.2, said["inside"], "as labelled" if said["inside"] else "farther")
        return replace(
            scores,
            estimates=tuple(SetEstimate(name, "boosted", 30, *said["value"], 0.9, None) for name in sets),
            gates=tuple(Gate(name, (reading,)) for name in sets),
        )

    monkeypatch.setattr(Profile, "score", scored)
    return said


def test_a_certificate_counts_for_its_dataset(file: Path, estimated: dict[str, Any], tmp_path: Path) -> None:
    predicted = np.linspace(0.3, 0.6, 30)
    drawn = howfar.certify(predicted, k=12)
    values = predicted[[one.index for one in drawn.sample]] - 0.05
    certificate = replace(howfar.certify(predicted, k=12, labels=values), dataset="new")
    for given in (certificate.save(tmp_path / "certificate.json"), [certificate]):
        found = howfar.check(file, rows(5, 30), RULES, certificate=given)
        (batch,) = found.batches
        assert (found.exit_code, batch.source, batch.value) == (3, "certified", certificate.value)
    others = {
        "performance, of which more is better, got 'false_positive_rate'": {"metric": "false_positive_rate"},
        "one of new, got 'other'": {"dataset": "other"},
        "the 30 images of new, got 'one of 31'": {"n": 31},
        r"the images of new that are given, got 'one of x\.jpg too'": {
            "site": replace(certificate.site, contents=("sha256:0",), images=("x.jpg",))
        },
    }
    for line, changes in others.items():
        with pytest.raises(InputError, match=f"certificate must be of {line}"):
            howfar.check(file, rows(5, 30), RULES, certificate=replace(certificate, **changes))


def test_a_certificate_of_other_images_of_the_same_names_or_at_another_threshold_is_refused(tmp_path: Path, file: Path) -> None:
    site, _, maps = write_site(tmp_path, 8)
    roads = howfar.profile(site, backbone="colour_moments", components=2, store=tmp_path / "store")
    certificate = howfar.certify(site, maps, k=4, out=tmp_path / "out")
    assert howfar.check(roads, site, {"images": {"at_least": 2}}, certificate=certificate).exit_code == 0
    other = write_dataset(tmp_path / "other" / "site", 8, seed=1, size=32)
    with pytest.raises(
        InputError, match=r"certificate must be of the images of site that are given, got 'one of 0001\.jpg too'"
    ):
        howfar.check(roads, other, RULES, certificate=certificate)
    judge = Profile.load(file).judge
    assert judge is not None
    at = roads.with_judge(replace(judge, threshold=0.35))
    rule = r"certificate must be at the profile's threshold 0\.35, got 0\.5: certify site with --threshold 0\.35"
    with pytest.raises(InputError, match=rule):
        howfar.check(at, site, RULES, certificate=certificate)


def test_what_is_of_no_use_or_given_twice_is_refused_before_anything_is_scored(file, tmp_path, monkeypatch):
    predicted = np.linspace(0.3, 0.6, 30)
    certificate = replace(howfar.certify(predicted, k=12), dataset="new")

    def scored(*_: Any, **__: Any) -> None:
        raise AssertionError("scored")

    monkeypatch.setattr(Profile, "score", scored)
    zone = Zone(0.6, 0.1, 12, 0, tuple(range(30)), (30,), ((0, 1),))
    words = r"certificate must be of the performance on a site, got .*: certify it without --zone"
    for changes in ({"zone": zone}, {"against": "other"}):
        with pytest.raises(InputError, match=words):
            howfar.check(file, rows(5, 30), RULES, certificate=replace(certificate, **changes))
    with pytest.raises(InputError, match="certificate must be one for each dataset, got 'two of new'"):
        howfar.check(file, rows(5, 30), RULES, certificate=[certificate, certificate])
    with pytest.raises(InputError, match=r"^new images or a date since which the log is judged must be given \(since\)"):
        howfar.check(file, None, RULES, log=tmp_path / "log.jsonl")
    for given in ({"certificate": certificate}, {"performance": pd.DataFrame({"image": ["a"], "performance": [0.5]})}):
        with pytest.raises(InputError, match=f"{next(iter(given))} is of use only to new images"):
            howfar.check(file, None, RULES, log=tmp_path / "log.jsonl", since="2026-01-01", **given)
    with pytest.raises(MissingPathError, match="no"):
        howfar.check(file, rows(5, 30), RULES, certificate=tmp_path / "no.json")
    with pytest.raises(HowfarError, match="no"):
        howfar.check(file, rows(5, 30), RULES, performance=tmp_path / "no.csv")


def test_failures_are_those_that_an_estimator_predicts(file: Path) -> None:
    profile = Profile.load(file)
    rules = {"failures": {"at_most_share": 0.1}, "distance": {"at_most_share": 0.1}}
    same = howfar.check(profile, rows(5, 30, 2.5), rules, estimator="mean")
    assert same.batches[0].judged == 0
    assert same.decisions[0].outcome == "undecided"
    scores = profile.score(rows(5, 30, 2.5), estimator="distances")
    found = howfar.check(profile, rows(5, 30, 2.5), rules, estimator="distances")
    (batch,) = found.batches
    assert batch.far == sum(image.p_value is not None and image.p_value <= 0.05 for image in scores.images) > 20
    assert batch.judged == 30
    assert found.notes[:-1] == scores.notes
    assert found.notes[-1].startswith("distances are in the subspace of the primary alone")
    assert batch.failures == len(scores.flagged)
    # Farther than any labelled dataset: what estimators say of it decides nothing.
    assert batch.gate is False
    assert (found.decisions[0].outcome, found.decisions[0].value) == ("undecided", None)
    inside = howfar.check(profile, rows(5, 30), rules, estimator="distances")
    assert inside.batches[0].gate is True
    assert inside.decisions[0].value == inside.batches[0].failures / 30
    fit = profile.judge.fits["distances"]
    predicted = np.array([image.predicted for image in profile.score(rows(5, 30), estimator="distances").images], dtype=float)
    assert (inside.decisions[0].value, inside.decisions[0].low, inside.decisions[0].high) == fit.share_below(predicted, 0.5)


def test_labels_of_a_certificate_decide_failures_and_settle_the_gate(file: Path, estimated: dict[str, Any]) -> None:
    """The labels count whatever the estimators flag, and the interval is that of the design."""
    estimated["inside"] = False
    predicted = np.linspace(0.3, 0.9, 30)
    drawn = howfar.certify(predicted, k=20)
    measured = predicted[[one.index for one in drawn.sample]]
    certificate = replace(howfar.certify(predicted, k=20, labels=measured), dataset="new")
    rules = {**RULES, "failures": {"at_most_share": 0.5}}
    alone, settled = (howfar.check(file, rows(5, 30), rules, certificate=given) for given in (None, certificate))
    assert [each.outcome for each in alone.decisions] == ["pass", "breach", "undecided", "undecided"]
    images, gate, performance, failures = settled.decisions
    assert (images.outcome, gate.outcome, gate.words) == ("pass", "pass", "settled by certificate")
    assert (performance.value, performance.outcome) == (certificate.value, "undecided")
    assert failures.words.startswith(f"{np.sum(measured < 0.5)} of 20 labelled images fail: ")
    assert failures.low < np.mean(predicted < 0.5) < failures.high < 0.5
    # Of what is no performance of an image the labels say no image fails.
    other = howfar.check(file, rows(5, 30), rules, certificate=replace(certificate, metric="precision"))
    assert other.decisions[3].words.startswith("no estimator looks at the images one by one")


@pytest.mark.parametrize(
    ("metric", "threshold", "task"),
    [
        ("F at threshold 0.35", 0.35, []),
        ("correct (1) or not (0)", None, ["--task", "classification"]),
        ("F1 at IoU 0.5", None, ["--task", "detection"]),
        ("F, mean over classes", None, ["--task", "multiclass"]),
    ],
)
def test_the_command_to_certify_names_task_and_predictions(metric: str, threshold: float | None, task: list[str]) -> None:
    loaded: Any = SimpleNamespace(judge=SimpleNamespace(metric=metric, threshold=threshold))
    options = {"predictions": "the maps"}
    words = shlex.split(certifying(loaded, "p.howfar", {"new": "/images/new"}, "new", options))
    assert words[:3] == ["howfar", "certify", "/images/new"]
    assert words[3:] == ["--predictions", "the maps", *task, "--profile", "p.howfar"]
    loaded.judge.metric, loaded.judge.threshold = "my own", None
    assert certifying(loaded, "p.howfar", {"new": "/images/new"}, "new", options) == ""


def performance(scores: Any, values: np.ndarray) -> pd.DataFrame:
    names = [Path(score.image).name for score in scores.images[: len(values)]]
    return pd.DataFrame({"image": names, "performance": values})


def test_labelled_images_are_kept_with_their_predictions(file: Path, tmp_path: Path) -> None:
    log, new = tmp_path / "log.jsonl", rows(5, 30)
    scores = Profile.load(file).score(new)
    table = performance(scores, np.linspace(0.4, 0.6, 12))
    found = howfar.check(file, new, {"alarm": {"at_least": 0.3}}, performance=table, log=log)
    (batch,) = found.batches
    assert batch.measured == pytest.approx(np.linspace(0.4, 0.6, 12))
    assert batch.predicted == tuple(score.predicted for score in scores.images[:12])
    assert batch.mean_predicted == pytest.approx(np.mean([score.predicted for score in scores.images]))
    assert (found.alarm.basis, found.alarm.images) == ("labels", 12)
    with pytest.raises(HowfarError, match=r"0-1|between 0 and 1"):
        howfar.check(file, new, RULES, performance=performance(scores, np.array([1.5])))


def test_the_alarm_is_raised_by_the_rows_of_the_log(file: Path, tmp_path: Path) -> None:
    log, rules = tmp_path / "log.jsonl", {"alarm": {"at_least": 0.6}}
    codes = []
    for day in range(8):
        new = rows(100 + day, 30)
        table = performance(Profile.load(file).score(new), np.full(8, 0.7 if day < 4 else 0.2))
        codes.append(howfar.check(file, new, rules, performance=table, log=log).exit_code)
    assert codes[:4] == [0, 0, 0, 0]
    assert codes[-1] == 3
    assert codes == sorted(codes)
    kept, damaged = logs.read(log)
    assert (len(kept), damaged) == (8, 0)
    assert kept[-1].outcome == "breach"
    assert kept[-1].decisions == {"alarm": "breach"}
    later = howfar.check(file, rules=rules, log=log, since="2999-01-01")
    assert (later.rows, later.exit_code) == ((), 4)
    shown = howfar.check(file, rules=rules, log=log, since="2000-01-01")
    assert (len(shown.rows), shown.exit_code) == (8, 3)
    assert len(logs.read(log)[0]) == 8
    # Batches from a moment on, one of that very moment included, are judged against those before.
    dated = [json.loads(line) | {"time": f"2026-01-0{k}T00:00Z"} for k, line in enumerate(log.read_text().splitlines(), 1)]
    log.write_text("".join(f"{json.dumps(row)}\n" for row in dated))
    compared = howfar.check(file, rules={"alarm": {"tolerated_drop": 0.1}}, log=log, since="2026-01-05")
    assert ([row.time[9] for row in compared.rows], compared.exit_code) == (["5", "6", "7", "8"], 3)


def test_the_profile_s_own_log_lies_beside_it(file: Path) -> None:
    found = howfar.check(file, rows(5, 30), RULES, keep=True)
    assert found.log == str(file) + ".log.jsonl"
    again = howfar.check(file, rows(5, 30), RULES, keep=True)
    assert len(again.rows) == 1
    assert len(howfar.check(file, since="2020-01-01").rows) == 1
    # A date alone shows the new batch among the others, and adds nothing.
    assert len(howfar.check(file, rows(6, 30), RULES, since="2020-01-01").rows) == 2
    assert len(howfar.check(file, since="2020-01-01").rows) == 1
    with Path(found.log).open("ab") as opened:
        opened.write(b'{"torn')
    assert "1 lines" in repr(howfar.check(file, since="2020-01-01"))
    with pytest.raises(InputError, match="log must be given where the profile is in memory"):
        howfar.check(Profile.load(file), rows(5, 30), RULES, keep=True)


def test_wrong_arguments_are_refused(file: Path, tmp_path: Path) -> None:
    new, compares = rows(5, 30), {"alarm": {"tolerated_drop": 0.02}}
    for line, given in (
        ("since must be given for an alarm that compares", {"new": new, "rules": compares, "log": tmp_path / "log.jsonl"}),
        ("did you mean estimator", {"new": new, "rules": RULES, "estimater": "mean"}),
    ):
        with pytest.raises(InputError, match=line):
            howfar.check(file, **given)
    unlogged = howfar.check(file, new, {"alarm": {"at_least": 0.5}})
    assert (unlogged.exit_code, "--keep" in repr(unlogged)) == (4, True)
