"""The files of a run carry its id: what is of another run is told, never mixed in, and what is damaged is one line."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.cli.main import run as command
from howfar.errors import InputError, MissingPathError, StoreError
from howfar.io.atomic_writes import staging
from howfar.io.file_locks import locked
from howfar.report.certificate_report import write_certificate_report
from howfar.results import Comparison, Evaluation, Relation
from howfar.results.certificate_result import Certificate
from howfar.results.checksums_and_overwrite_guard import run_of_table, runs_of_picture
from howfar.studies import run_report
from howfar.studies.compare_datasets import RELATED
from howfar.studies.run_report import write_report
from results.test_conformance import sample_of


@pytest.fixture(scope="module")
def run() -> Comparison:
    rng = np.random.default_rng(0)
    p, s = rng.normal(size=(30, 4)), rng.normal(size=(40, 4)) * np.linspace(0.5, 4, 40)[:, None]
    return howfar.compare(p, {"site": s}, bootstrap=0, permutations=0, progress=False)


def performances(run: Comparison) -> pd.DataFrame:
    return run.images[["dataset", "image"]].assign(performance=0.9 - 0.5 * run.images["i_dist_scaled"])


def strip(folder: Path) -> None:
    """Turn a run into one of an earlier version, whose files have neither id nor seal."""
    document = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(
        json.dumps({name: value for name, value in document.items() if name not in ("run", "seal")})
    )
    for file in folder.glob("*.parquet"):
        pd.read_parquet(file).to_parquet(file, index=False)


def test_every_file_carries_the_id(run: Comparison, tmp_path: Path) -> None:
    write_report(run.save(tmp_path))
    assert json.loads((tmp_path / "result.json").read_text())["run"] == run.run_id == Comparison.load(tmp_path).run_id
    assert {run_of_table(file) for file in tmp_path.glob("*.parquet")} == {run.run_id}
    drawn = [tmp_path / "report.html", *(tmp_path / "figures").iterdir()]
    assert {runs_of_picture(file) for file in drawn} == {(run.run_id,)}
    assert {file.suffix for file in drawn} == {".html", ".png", ".svg"}
    assert replace(run, notes=()).run_id != run.run_id
    assert "run" not in run.to_dict()


@pytest.mark.parametrize("name", ["images.parquet", "primary.parquet", "datasets.parquet"])
def test_a_table_of_another_run_is_refused(name: str, run: Comparison, tmp_path: Path) -> None:
    run.save(tmp_path / "one")
    replace(run, notes=()).save(tmp_path / "other")
    (tmp_path / "one" / name).write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(StoreError, match=rf"is of two runs, {name} and result\.json: run compare again"):
        Comparison.load(tmp_path / "one")
    strip(tmp_path / "other")
    (tmp_path / "one" / name).write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(StoreError, match="is of two runs"):
        Comparison.load(tmp_path / "one")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("result.json", b"howfar-xxh3", b"howfar-xxh2"),
        ("images.parquet", b"howfar-xxh3", b"howfar-xxh2"),
        ("near_duplicates.parquet", b"PAR1", b"PAR1"),
    ],
    ids=["mark of the document", "mark of a table", "table in the place of another"],
)
def test_a_seal_cannot_be_passed_by(file: str, old: bytes, new: bytes, run: Comparison, tmp_path: Path) -> None:
    place = run.save(tmp_path) / file
    data = (place if old != new else tmp_path / "primary.parquet").read_bytes()
    place.write_bytes(data.replace(old, new))
    with pytest.raises(StoreError, match=rf"is damaged .*{file}: its bytes .*: run compare again"):
        Comparison.load(tmp_path)


def test_sealed_tables_are_checked_beside_a_document_without_a_seal(run: Comparison, tmp_path: Path) -> None:
    document = json.loads((run.save(tmp_path) / "result.json").read_text())
    (tmp_path / "result.json").write_text(json.dumps({name: value for name, value in document.items() if name != "seal"}))
    Comparison.load(tmp_path)
    data = bytearray((tmp_path / "images.parquet").read_bytes())
    data[len(data) // 3] ^= 1
    (tmp_path / "images.parquet").write_bytes(data)
    with pytest.raises(StoreError, match="run compare again"):
        Comparison.load(tmp_path)


def test_a_run_of_an_earlier_version_is_read_related_and_drawn(run: Comparison, tmp_path: Path) -> None:
    strip(run.save(tmp_path))
    first, second = Comparison.load(tmp_path), Comparison.load(tmp_path)
    assert first.run_id == second.run_id != run.run_id
    howfar.relate(tmp_path, performances(run), bootstrap=0)
    assert Relation.load(tmp_path).parents == (first.run_id,)
    assert runs_of_picture(write_report(tmp_path))[0] == first.run_id


def test_a_relation_of_another_run_is_refused(run: Comparison, tmp_path: Path) -> None:
    run.save(tmp_path / "one")
    howfar.relate(tmp_path / "one", performances(run), bootstrap=0)
    replace(run, notes=()).save(tmp_path / "other")
    for file in ("relation.json", *Relation.TABLES.values()):
        (tmp_path / "other" / file).write_bytes((tmp_path / "one" / file).read_bytes())
    with pytest.raises(StoreError, match=r"relation\.json is of another run than result\.json: run relate again"):
        write_report(tmp_path / "other")


def test_a_run_that_is_replaced_while_it_is_related_is_not_drawn_over(run: Comparison, tmp_path: Path) -> None:
    from howfar.report.comparison_report import write_report as draw

    replace(run, notes=()).save(tmp_path)
    with pytest.raises(StoreError, match="another run was written there meanwhile"):
        draw(run, tmp_path)
    assert not (tmp_path / "report.html").exists()
    assert not list(tmp_path.glob(".*"))


def test_the_page_and_the_figures_of_an_earlier_run_go_with_it(run: Comparison, tmp_path: Path) -> None:
    write_report(run.save(tmp_path))
    (tmp_path / "figures" / "mine.png").write_bytes(b"of somebody else")
    replace(run, notes=()).save(tmp_path)
    assert not (tmp_path / "report.html").exists()
    assert [file.name for file in (tmp_path / "figures").iterdir()] == ["mine.png"]


def test_a_page_of_somebody_else_is_neither_removed_nor_replaced(run: Comparison, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<!doctype html><title>my own</title>")
    rows = np.random.default_rng(0).normal(size=(20, 4))
    with pytest.raises(
        InputError, match=r"out must not hold a report.html that howfar did not write, as .* got .*: name another folder"
    ):
        howfar.compare(rows, {"site": rows + 1}, out=tmp_path, bootstrap=0, permutations=0, progress=False)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(InputError, match=r"must not hold a report.html"):
        write_report(run.save(tmp_path))
    assert page.read_text().endswith("my own</title>")
    page.write_text("")
    write_report(tmp_path)
    howfar.relate(tmp_path, performances(run), bootstrap=0)
    assert 'id="performance"' in page.read_text(encoding="utf-8")


def test_performances_of_another_task_leave_the_relation_as_it_is(run: Comparison, tmp_path: Path) -> None:
    """A table may hold any performance; evaluations name their measure."""
    folder = run.save(tmp_path / "run")
    images = performances(run).assign(path="", content="")
    made = {
        "dataset": "site",
        "threshold": None,
        "tolerance": 0.0,
        "n": 40,
        "scored": 40,
        "scores": {},
        "provenance": run.provenance,
    }
    right = Evaluation(task="classification", metric="correct (1) or not (0)", images=images.round({"performance": 0}), **made)
    boxes = Evaluation(task="detection", metric="F1 at IoU 0.5", images=images, **made)
    howfar.relate(folder, right, bootstrap=0)
    kept = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with pytest.raises(
        InputError,
        match=r"^performance must be correct \(1\) or not \(0\), as the relation in .*run is, got 'F1 at IoU 0\.5': relate",
    ):
        howfar.relate(folder, boxes, bootstrap=0)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == kept
    for again in (right, performances(run), boxes, replace(boxes, metric="F1 at IoU 0.7")):
        howfar.relate(folder, again, bootstrap=0)


def test_a_comparison_that_takes_a_relation_away_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    given = (rng.normal(size=(20, 4)), {"site": rng.normal(size=(20, 4))})
    first, second, third = (
        (
            howfar.compare(*given, out=tmp_path, bootstrap=0, permutations=0, progress=False),
            turn or howfar.relate(tmp_path, performances(Comparison.load(tmp_path)), bootstrap=0),
        )[0]
        for turn in range(3)
    )
    assert second.notes == (*first.notes, RELATED)
    assert third.notes == first.notes
    assert Comparison.load(tmp_path).notes == first.notes


def test_a_run_whose_writing_was_cut_off_says_so(run: Comparison, tmp_path: Path) -> None:
    run.save(tmp_path)
    with pytest.raises(KeyboardInterrupt), staging(tmp_path) as beside:  # noqa: PT012  # the folder is left by a kill
        beside.rename(tmp_path / ".writing-0123456789abcdef")
        (tmp_path / "result.json").unlink()
        raise KeyboardInterrupt
    with pytest.raises(MissingPathError, match=r"is not finished, its writing was cut off: run compare again"):
        write_report(tmp_path)
    run.save(tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_a_new_certificate_takes_the_page_of_the_old_one_away(tmp_path: Path) -> None:
    first, second = (sample_of(Certificate, task="segmentation", low=0.25, high=0.75) for _ in range(2))
    first.save(tmp_path)
    write_certificate_report(Certificate.load(tmp_path), tmp_path)
    assert runs_of_picture(tmp_path / "report.html") == (first.run_id,)
    second.save(tmp_path)
    assert not (tmp_path / "report.html").exists()
    assert not list((tmp_path / "figures").iterdir())
    assert Certificate.load(tmp_path).run_id == second.run_id


def test_a_reader_waits_for_a_writer_that_moves_its_files_in(run: Comparison, tmp_path: Path) -> None:
    run.save(tmp_path)
    whole = (tmp_path / "result.json").read_bytes()
    with ThreadPoolExecutor(1) as pool:
        with locked(tmp_path):
            (tmp_path / "result.json").unlink()
            reading = pool.submit(Comparison.load, tmp_path)
            with pytest.raises(TimeoutError):
                reading.result(0.2)
            (tmp_path / "result.json").write_bytes(whole)
        assert reading.result(30).run_id == run.run_id


def test_tables_and_documents_of_somebody_else_are_not_replaced(tmp_path: Path, run: Comparison) -> None:
    table, document = pd.DataFrame({"path": ["a.jpg"]}), json.dumps({"mine": 1})
    for name in ("images.parquet", "relation.parquet", "map.parquet"):
        folder = tmp_path / f"with {name}"
        folder.mkdir()
        table.to_parquet(folder / name)
        before = (folder / name).read_bytes()
        with pytest.raises(InputError, match=rf"must not hold a {name} that howfar did not write, as its own would take"):
            run.save(folder)
        assert (folder / name).read_bytes() == before
        assert [file.name for file in folder.iterdir()] == [name]
    (tmp_path / "result.json").write_text(document)
    with pytest.raises(InputError, match=r"must not hold a result.json"):
        run.save(tmp_path)
    (tmp_path / "result.json").unlink()
    table.to_parquet(tmp_path / "mine.parquet")
    run.save(tmp_path)
    # A run whose document was damaged, or says something else, is known by its tables.
    for text in (document, "{"):
        (tmp_path / "result.json").write_text(text)
        run.save(tmp_path)
        assert Comparison.load(tmp_path).run_id == run.run_id
    assert pd.read_parquet(tmp_path / "mine.parquet").equals(table)


def test_a_folder_in_the_place_of_the_page_is_told_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InputError, match=r"must not hold a report.html that howfar did not write"):
        howfar.compare(np.eye(4), {"site": np.eye(4)}, out=tmp_path, bootstrap=0, permutations=0, progress=False)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": NaN}', '{"format": Infinity}'])
def test_a_document_that_is_no_json_value_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(StoreError, match=r"(RecursionError|ValueError).*run compare again"):
        Comparison.load(tmp_path)


@pytest.mark.parametrize("table", ["images", "primary_images"])
def test_a_sealed_table_without_rows_is_damaged(table: str, run: Comparison, tmp_path: Path) -> None:
    replace(run, **{table: getattr(run, table).iloc[:0]}).save(tmp_path)
    with pytest.raises(StoreError, match=r"is damaged \(ValueError: \w+\.parquet has no rows\): run compare again"):
        Comparison.load(tmp_path)


def test_a_table_that_cannot_be_drawn_and_a_run_of_no_dataset_are_one_line(run, tmp_path, capsys, monkeypatch):
    def stumble(*_: object, **__: object) -> None:
        raise KeyError("pc1")

    monkeypatch.setattr(run_report, "draw", stumble)
    folder = run.save(tmp_path / "run")
    document = json.loads((folder / "result.json").read_text())
    for words in (
        f"{folder} cannot be drawn (KeyError: 'pc1'): its files were changed",
        "is damaged (TypeError: datasets: must hold something): run compare again",
    ):
        assert command(["report", str(folder)]) == 1
        told = capsys.readouterr().err
        assert told.startswith(f"howfar: {folder}")
        assert words in told
        assert told.count("\n") == 1
        (folder / "result.json").write_text(json.dumps({**document, "datasets": []}))
