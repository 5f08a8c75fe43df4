"""`howfar relate` as a user runs it: what is printed where, what is written into the run, the exit code."""

import shutil
from pathlib import Path

import pytest

from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.formatting_and_escaping import format_number
from howfar.report import estimates_report as words_estimates
from howfar.report import probable_failures as words_failures
from howfar.results import Relation

SIDE = 32
WRITTEN = {"relation.json", "relation.parquet", "curves.parquet", "thresholds.parquet", "report.html", "figures"}
FIGURES = {"performance", "parts", "estimates", "judgements", "failures"}


@pytest.fixture
def place(world, tmp_path, capsys) -> Path:
    """A copy of the run that a test may write to."""
    capsys.readouterr()
    return Path(shutil.copytree(world / "run", tmp_path / "run"))


def given(world: Path, *names: str) -> list[str | Path]:
    return [part for name in names for part in ("--performance", world / f"{name}.parquet")]


def test_verdicts_estimates_and_notes_are_printed_and_the_run_completed(world, place, howfar):
    before = {path.name: path.read_bytes() for path in place.iterdir() if path.suffix in (".json", ".parquet")}
    code, out, err = howfar("relate", place, *given(world, "roads", "near", "far"), "--bootstrap", "50", "--tau", "0.6")
    assert code == 0, err
    found = Relation.load(place)
    # Sentences are wrapped at the width of the terminal.
    lines, text = out.splitlines(), " ".join(out.split())
    assert lines[0] == found.caption()
    assert lines[0].startswith("F at threshold 0.")
    assert lines[1].split()[:6] == ["dataset", "n", "mean", "mean,", "near", "half"]
    assert [line.split()[:3] for line in lines[2:4]] == [list(cells[:3]) for cells in found.table()[1]]
    assert found.pooled_verdict is not None
    verdicts = [f"{one.name}: {one.verdict.text}" for one in found.datasets]
    assert " ".join([*verdicts, f"all sets: {found.pooled_verdict.text}"]) in text
    start = lines.index("Estimators, each dataset left out in turn (F without labels)") + 2
    rows = {line.split()[0]: line.split() for line in lines[start : start + len(found.judgements)]}
    assert list(rows) == [one.estimator for one in found.judgements]
    assert [name for name, cells in rows.items() if cells[1] == "*"] == [found.estimator]
    start = lines.index("Mean performance expected without a set's labels") + 2
    for line, one in zip(lines[start : start + 3], found.estimates, strict=True):
        assert line.split()[:2] == [one.dataset, one.estimator]
        assert f" {one.text(doubted=found.doubted(one))} at {100 * one.level:.0f} %" in line
        assert line.split("%")[1].split()[1] == format_number(one.measured, 3)
    said = [words_estimates.lead(found), words_estimates.in_use(found), words_estimates.distance(found)]
    said.append(words_failures.found(found))
    assert all(said)
    assert " ".join(" ".join(said).split()) in text
    assert found.notes
    assert text.endswith(" ".join([*(f"note: {note}" for note in found.notes), f"report: {place / 'report.html'}"]))
    assert lines[-1] == f"report: {place / 'report.html'}"
    assert {path.name for path in place.iterdir()} >= WRITTEN
    assert {path.stem for path in (place / "figures").iterdir()} >= FIGURES
    for name, data in before.items():
        assert (place / name).read_bytes() == data, name


def test_performances_of_other_images_of_the_same_names_leave_the_run_as_it_is(world, place, tmp_path, howfar, capsys):
    other = write_dataset(tmp_path / "elsewhere" / "near", 12, seed=99, size=SIDE)
    scoring = ["--predictions", str(other / "masks"), "-o", str(tmp_path / "other.parquet")]
    assert run(["evaluate", f"near={other}", *scoring]) == 0
    capsys.readouterr()
    kept = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}
    code, _, err = howfar("relate", place, *given(world, "far"), *given(tmp_path, "other"))
    assert code == 2
    assert "--performance must be of the images of near in the run, got 'other images of the same names': evaluate" in err
    assert {file: file.read_bytes() for file in place.rglob("*") if file.is_file()} == kept
