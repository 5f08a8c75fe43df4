"""`howfar relate` as a user runs it: what is printed where, what is written into the run, the exit code."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.report import estimates as words_estimates
from howfar.report import failures as words_failures
from howfar.results import Evaluation, Relation
from howfar.wording import format_number
from run_ids import written

COUNTS = {"roads": 8, "near": 9, "far": 10, "new": 7}
SIDE = 32
WRITTEN = {"relation.json", "relation.parquet", "curves.parquet", "thresholds.parquet", "report.html", "figures"}
KEYS = [
    "format", "primary", "metric", "settings", "datasets", "pooled", "pooled_verdict", "judgements", "choices", "estimator",
    "estimates", "failures", "gates", "slices", "notes", "provenance",
]  # fmt: skip
FIGURES = {"performance", "parts", "estimates", "judgements", "failures"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three secondaries and evaluations of all but "new": run/, roads.parquet, near.parquet, far.parquet."""
    folder = tmp_path_factory.mktemp("relate")
    rng = np.random.default_rng(0)
    for seed, (name, count) in enumerate(COUNTS.items()):
        place = write_dataset(folder / name, count, seed=seed, shift=0.3 * seed, size=SIDE)
        (folder / "maps" / name).mkdir(parents=True)
        for k, file in enumerate(sorted((place / "masks").iterdir())):
            truth = np.asarray(Image.open(file)) > 127
            sure = 0.9 - 0.25 * seed * k / count
            p = np.where(truth, sure * rng.random(truth.shape), (1.2 - sure) * rng.random(truth.shape) ** 6)
            Image.fromarray((255 * p).astype(np.uint8)).save(folder / "maps" / name / file.name)
    names = [str(folder / name) for name in COUNTS]
    quiet = ["--bootstrap", "0", "--permutations", "0", "--no-baselines", "--store", str(folder / "store")]
    assert run(["compare", *names, "--backbone", "colour_moments", "--out", str(folder / "run"), *quiet]) == 0
    for name in ("roads", "near", "far"):
        made = ["--predictions", str(folder / "maps" / name), "-o", str(folder / f"{name}.parquet")]
        assert run(["evaluate", str(folder / name), *made]) == 0
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A copy of the run that a test may write to."""
    capsys.readouterr()
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures, which take longest."""
    monkeypatch.setattr("howfar.report.comparison.write_report", lambda _, folder, relation: folder / "report.html")


def howfar(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = run(["relate", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def given(made: Path, *names: str) -> list[str | Path]:
    return [part for name in names for part in ("--performance", made / f"{name}.parquet")]


def test_verdicts_estimates_and_notes_are_printed_and_the_run_completed(
    made: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in place.iterdir() if path.suffix in (".json", ".parquet")}
    code, out, err = howfar(capsys, place, *given(made, "roads", "near", "far"), "--bootstrap", "50", "--tau", "0.6")
    assert (code, err) == (0, "")
    found = Relation.load(place)
    # Sentences are wrapped at the width of the terminal.
    lines, text = out.splitlines(), " ".join(out.split())
    assert lines[0] == found.caption()
    assert lines[0].startswith("F at threshold 0.")
    assert lines[1].split()[:6] == ["dataset", "n", "mean", "mean,", "near", "half"]
    for line, one in zip(lines[2:4], found.datasets, strict=True):
        near, far = one.halves
        own = found.images[found.images["dataset"] == one.name]["performance"].mean()
        assert (near.n * near.mean + far.n * far.mean) / (near.n + far.n) == pytest.approx(own)
        assert line.split()[3:5] == [format_number(near.mean, 3), format_number(far.mean, 3)]
    assert [line.split()[:3] for line in lines[2:4]] == [list(cells[:3]) for cells in found.table()[1]]
    assert found.pooled_verdict is not None
    verdicts = [f"{one.name}: {one.verdict.text}" for one in found.datasets]
    assert " ".join([*verdicts, f"all sets: {found.pooled_verdict.text}"]) in text
    start = lines.index("Estimators, each dataset left out in turn (F without labels)") + 2
    rows = {line.split()[0]: line.split() for line in lines[start : start + len(found.judgements)]}
    assert list(rows) == [one.estimator for one in found.judgements]
    assert [name for name, cells in rows.items() if cells[1] == "*"] == [found.estimator]
    for one in found.judgements:
        assert one.coverage is not None
        shown = [one.kind, str(one.sets), *(format_number(value, 3) for value in (one.mae_set, one.mae_image))]
        shown += [f"{100 * one.coverage:.0f}", "%", *(format_number(value, 3) for value in (one.auroc, one.aurc))]
        assert [cell for cell in rows[one.estimator] if cell != "*"] == [one.estimator, *shown]
    start = lines.index("Mean performance expected without a set's labels") + 2
    for line, one in zip(lines[start : start + 3], found.estimates, strict=True):
        assert line.split()[:2] == [one.dataset, one.estimator]
        assert f" {one.text(doubted=found.doubted(one))} at {100 * one.level:.0f} %" in line
        assert line.split("%")[1].split()[1] == format_number(one.measured, 3)
        gate = found.gate(one.dataset)
        assert gate is not None
        assert line.split("%")[1].split()[0] == ("inside" if gate.inside else "OUTSIDE")
    for line, failures in zip(lines[start : start + 3], found.failures, strict=True):
        wrong = "–" if failures.measured_error is None else f"{100 * failures.measured_error:.0f} %"
        assert line.endswith(wrong)
        assert f" {failures.listed} of {failures.n} " in line
    assert [one.measured_error is None for one in found.failures].count(False) > 0
    said = [words_estimates.lead(found), words_estimates.in_use(found), words_estimates.distance(found)]
    said.append(words_failures.found(found))
    assert all(said)
    assert " ".join(" ".join(said).split()) in text
    assert found.notes
    assert text.endswith(" ".join([*(f"note: {note}" for note in found.notes), f"report: {place / 'report.html'}"]))
    assert lines[-1] == f"report: {place / 'report.html'}"
    assert {path.name for path in place.iterdir()} >= WRITTEN
    assert {path.stem for path in (place / "figures").iterdir()} >= FIGURES
    assert found.pooled_verdict.text.split(":")[0] in (place / "report.html").read_text()
    for name, data in before.items():
        assert (place / name).read_bytes() == data, name


def test_json_is_one_document_and_nothing_else(made: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = howfar(capsys, place, *given(made, "roads", "near", "far"), "--bootstrap", "0", "--json")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    document = json.loads(out)
    assert document == Relation.load(place).to_dict() == written(place / "relation.json")
    assert list(document) == KEYS
    assert [one["name"] for one in document["datasets"]] == ["near", "far"]
    assert [one["dataset"] for one in document["estimates"]] == ["near", "far", "new"]
    assert (place / "report.html").stat().st_mtime >= (place / "relation.json").stat().st_mtime


@pytest.mark.usefixtures("undrawn")
def test_every_option_reaches_the_study(made: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options: dict[str, Any] = {
        "threshold": 0.29,
        "tau": 0.4,
        "flat": 0.15,
        "level": 0.8,
        "error_rate": 0.3,
        "bootstrap": 20,
        "seed": 7,
    }
    options |= {"group": r"(\d)"}
    arguments = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    code, out, err = howfar(capsys, place, *given(made, "near", "far"), *arguments, "--estimator", "i_dist", "--json")
    assert code == 0, err
    document = json.loads(out)
    files = [str(made / name) for name in ("near.parquet", "far.parquet")]
    assert document["settings"] == {
        **options,
        "threshold_source": "given",
        "performance": files,
        "estimator": "i_dist",
        "by": [],
    }
    assert document["estimator"] == "i_dist"
    assert {one["estimator"] for one in document["estimates"]} == {"i_dist"}


@pytest.mark.usefixtures("undrawn")
def test_defaults_are_those_of_python(made: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from howfar.studies.performance.relate import relate

    code, out, _ = howfar(capsys, place, *given(made, "near", "far"), "--json")
    assert code == 0
    wanted = relate(place, [made / "near.parquet", made / "far.parquet"]).to_dict()
    found = json.loads(out)
    assert {**found, "provenance": None} == {**wanted, "provenance": None}
    assert found["settings"] == {
        "threshold": 0.5, "threshold_source": "not tuned on any set", "tau": 0.5, "flat": 0.2, "level": 0.9, "error_rate": 0.2,
        "bootstrap": 1000, "seed": 0, "group": None, "estimator": "auto", "by": [],
        "performance": [str(made / "near.parquet"), str(made / "far.parquet")],
    }  # fmt: skip


def test_a_table_of_ones_own_and_a_single_set(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["dataset,image,performance", *(f"near,{k:04d}.jpg,0.{9 - k}" for k in range(1, 9))]
    (tmp_path / "own.csv").write_text("\n".join(lines))
    code, out, err = howfar(capsys, place, "--performance", tmp_path / "own.csv", "--bootstrap", "0")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "performance, by distance from roads"
    assert not any(line.startswith("Estimators,") for line in lines)
    found = Relation.load(place)
    assert (found.judgements, found.estimator, len(found.thresholds)) == ((), "mean", 0)
    assert "note: 1 of 9 images of near has no performance: left out of its trend" in lines
    start = lines.index("Mean performance expected without a set's labels") + 2
    assert [line.split()[0] for line in lines[start : start + 2]] == ["far", "new"]


def test_what_was_not_found_has_no_heading(made: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from howfar.cli.relate import show
    from howfar.studies.performance.relate import relate

    found = relate(place, made / "near.parquet", bootstrap=0)
    show(dataclasses.replace(found, estimates=(), failures=(), notes=()), None)
    shown = capsys.readouterr().out
    assert shown.startswith(found.caption())
    for words in ("Mean performance expected", "Estimators", "note: ", "report: "):
        assert words not in shown


@pytest.mark.usefixtures("undrawn")
def test_performance_without_counts_is_not_called_f(
    made: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Evaluation.load(made / f"{name}.parquet").images[["dataset", "image", "performance"]] for name in ("near", "far")]
    for one, name in zip(rows, ("near", "far"), strict=True):
        one.to_csv(tmp_path / f"{name}.csv", index=False)
    arguments = [part for name in ("near", "far") for part in ("--performance", tmp_path / f"{name}.csv")]
    code, out, err = howfar(capsys, place, *arguments, "--bootstrap", "20", "--tau", "0.7")
    assert code == 0, err
    assert "Estimators, each dataset left out in turn (performance without labels)" in out.splitlines()
    assert "listed < 0.7" in out
    assert "mean F" not in out


def test_a_relation_of_before_is_replaced(made: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from howfar.studies.performance.relate import relate

    relate(place, [made / "near.parquet", made / "far.parquet"], bootstrap=0).save(place)
    (place / "figures/judgements.png").touch()
    assert howfar(capsys, place, *given(made, "far"), "--bootstrap", "0", "--json")[0] == 0
    assert [one.name for one in Relation.load(place).datasets] == ["far"]
    # With one labelled set there is nothing to judge, and no figure of it.
    assert not (place / "figures/judgements.png").exists()
    assert (place / "figures/performance.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{run}"], ["--performance"]),
        (["{none}", "--performance", "{near}"], ["none/result.json is not there", "howfar compare --out"]),
        (["{run}", "--performance", "{none}"], ["performance: nothing at", "none"]),
        (["{run}", "--performance", "{run}"], ["performance must be a file", "run"]),
        (["{run}", "--performance", "{text}"], ["text.csv", "has no column image"]),
        (["{run}", "--performance", "{strange}"], ["none of its 2 images", "near, far, new"]),
        (["{run}", "--performance", "{roads}"], ["must tell of a secondary dataset", "roads"]),
        (["{run}", "--performance", "{near}", "--performance", "{near}"], ["each dataset once", "near"]),
        (["{run}", "--performance", "{near}", "--threshold", "0.435"], ["threshold", "0.00, 0.01 … 0.99", "0.435"]),
        (["{run}", "--performance", "{near}", "--threshold", "half"], ["--threshold", "number"]),
        (["{run}", "--performance", "{near}", "--tau", "2"], ["tau must", "2"]),
        (["{run}", "--performance", "{near}", "--flat", "0"], ["flat must"]),
        (["{run}", "--performance", "{near}", "--level", "1"], ["level must"]),
        (["{run}", "--performance", "{near}", "--error-rate", "0"], ["--error-rate must"]),
        (["{run}", "--performance", "{near}", "--bootstrap", "1"], ["bootstrap must be 0 (no intervals) or at least 2"]),
        (["{run}", "--performance", "{near}", "--seed", "-1"], ["seed must"]),
        (["{run}", "--performance", "{near}", "--group", "("], ["group must be a regular expression"]),
        (["{run}", "--performance", "{near}", "--group", "(x)"], ["group must match the names of images"]),
        (["{run}", "--performance", "{near}", "--estimator", "signal"], ["signal", "did you mean 'signals'"]),
        (["{run}", "--performance", "{near}", "--estimator", "ensemble_agreement"], ["whose signals the labelled sets have"]),
    ],
)
def test_bad_input_is_one_line_and_exit_2_and_leaves_the_run_alone(
    arguments: list[str], words: list[str], made: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.csv").write_text("a text\n")
    (tmp_path / "strange.csv").write_text("image,performance\nx.png,0.5\ny.png,0.5\n")
    places = {"run": place, "none": tmp_path / "none", "near": made / "near.parquet", "roads": made / "roads.parquet"}
    places |= {name: tmp_path / f"{name}.csv" for name in ("text", "strange")}
    before = sorted(path.name for path in place.rglob("*"))
    code, out, err = howfar(capsys, *(argument.format(**places) for argument in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("howfar: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert sorted(path.name for path in place.rglob("*")) == before


def test_a_damaged_run_or_evaluation_is_a_failure_of_one_line(
    made: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(made / "near.parquet")
    pq.write_table(table.replace_schema_metadata({b"howfar": b"{}"}), tmp_path / "near.parquet")
    code, out, err = howfar(capsys, place, "--performance", tmp_path / "near.parquet")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "was not written by howfar evaluate, or is damaged" in err
    (place / "result.json").write_text("{")
    code, out, err = howfar(capsys, place, *given(made, "near"))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "is damaged" in err


def test_performances_of_other_images_of_the_same_names_leave_the_run_as_it_is(
    made: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_dataset(made / "elsewhere" / "near", 12, seed=99, size=SIDE)
    scoring = ["--predictions", str(other / "masks"), "-o", str(made / "other.parquet")]
    assert run(["evaluate", f"near={other}", *scoring]) == 0
    capsys.readouterr()
    kept = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}
    code, _, err = howfar(capsys, place, *given(made, "far", "other"))
    assert code == 2
    assert "--performance must be of the images of near in the run, got 'other images of the same names': evaluate" in err
    assert {file: file.read_bytes() for file in place.rglob("*") if file.is_file()} == kept
