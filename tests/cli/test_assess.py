"""`howfar assess` as a user runs it: what is printed where, what is written, the exit code."""

import json
import shlex
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from howfar.cli.main import run
from howfar.demo import write_dataset
from run_ids import written

QUIET = ["--backbone", "colour_moments", "--no-baselines", "--bootstrap", "0", "--permutations", "0"]
SITES = ("near", "mid", "far", "new")
WRITTEN = {"result.json", "relation.json", "assessment.json", "performance", "report.html", "figures"}


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Path:
    """Roads, three labelled sites and a new one without masks, 32 pixels a side, and maps/ of all."""
    folder, rng = tmp_path_factory.mktemp("assess"), np.random.default_rng(1)
    for seed, name in enumerate(("roads", *SITES)):
        place = write_dataset(folder / name, 6, seed=seed, shift=0.1 * seed, size=32)
        (folder / "maps" / name).mkdir(parents=True)
        for k, file in enumerate(sorted((place / "masks").iterdir())):
            truth = np.asarray(Image.open(file)) > 127
            p = np.where(truth, (0.9 - 0.1 * seed * k / 6) * rng.random(truth.shape), rng.random(truth.shape) ** 6)
            Image.fromarray((255 * p).astype(np.uint8)).save(folder / "maps" / name / file.name)
            if name == "new":
                file.unlink()
    (folder / "new" / "masks").rmdir()
    return folder


def arguments(places: Path, out: Path) -> list[str]:
    sites = [str(places / name) for name in ("roads", *SITES)]
    return ["assess", *sites, "--predictions", str(places / "maps"), "--out", str(out), *QUIET]


@pytest.fixture(scope="module")
def assessed(places, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("assessed") / "run"
    assert run(arguments(places, out)) == 0
    return out


def test_json_is_one_document_with_an_answer_for_each_site(places, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("howfar.studies.assessment.assess_sites.draw", lambda *_, **__: None)
    monkeypatch.setattr("howfar.studies.compare_datasets.draw", lambda result, folder, **_: folder)
    assert run([*arguments(places, tmp_path / "run"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [site["dataset"] for site in document["sites"]] == list(SITES)
    new = document["sites"][3]
    assert {"estimate", "low", "high", "level", "measured", "inside", "warning", "listed", "held", "error"} <= set(new)
    assert new["next"]["command"].startswith("howfar ")
    assert document == written(tmp_path / "run" / "assessment.json")


def test_the_run_folder_holds_all_parts_and_a_page_that_begins_with_the_answer(assessed):
    assert {path.name for path in assessed.iterdir()} >= WRITTEN
    assert (assessed / "figures" / "sites.svg").is_file()
    page = (assessed / "report.html").read_text()
    assert page.index('id="assessment"') < page.index('id="answer"') < page.index('id="distances"')
    assert page.count('id="figure-sites"') == 1


def test_what_is_printed_fits_a_screen(assessed, capsys):
    from howfar.cli.performance_commands import show_assessment
    from howfar.results.assessment_result import Assessment

    found = Assessment.load(assessed)
    assert found.table()[0][3:] == ("measured (on)", "listed as failing", "images", "next")
    show_assessment(found, assessed / "report.html")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 25
    printed = " ".join(" ".join(lines).split())
    for site in found.sites:
        assert site.answer in printed
        assert site.next.text in printed
    assert f"report: {assessed / 'report.html'}" in printed


def test_no_other_command_writes_into_an_assessed_run(places, assessed, capsys, monkeypatch):
    """Each refuses in one line, and the answer and its page stay as they are."""
    roads, near, out = str(places / "roads"), str(places / "near"), ["--out", str(assessed)]
    study = places / "study.toml"
    study.write_text(
        f'[datasets]\nroads = {{ path = "{roads}" }}\nnear = {{ path = "{near}" }}\n[backbones]\npixels = {{}}\n'
        '[studies.components]\nprimary = "roads"\nsecondaries = ["near"]\nbackbones = ["pixels"]\n'
    )
    kept = {file: file.read_bytes() for file in assessed.rglob("*") if file.is_file()}
    for command in (
        ["relate", str(assessed), "--performance", str(assessed / "performance" / "near.parquet")],
        ["compare", roads, near, *QUIET, *out],
        ["compare", roads, near, "--backbone", "pixels", "--backbone", "colour_moments", *out],
        ["matrix", roads, near, "--backbone", "pixels", *out],
        ["adapt", roads, near, *out],
        ["prompts", roads, "--kind", "text", *out],
        ["certify", near, "--predictions", str(places / "maps" / "near"), *out],
        ["study", str(study), *out],
    ):
        assert run(command) == 2, command
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "must not hold the answer of howfar assess (assessment.json), whose place another would take, got" in line
        assert line.endswith(": name another folder: howfar assess alone writes to this one")
    assert {file: file.read_bytes() for file in assessed.rglob("*") if file.is_file()} == kept
    monkeypatch.setattr("howfar.studies.compare_datasets.draw", lambda result, folder, **_: folder)
    assert run(["compare", roads, near, *QUIET, "--out", str(places / "compared")]) == 0
    capsys.readouterr()
    assert run(arguments(places, places / "compared")) == 2
    assert "must not hold the answer of howfar compare (result.json)" in capsys.readouterr().err


@pytest.mark.usefixtures("without_figures")
def test_the_report_shows_the_command_that_asks_the_same_again(places, assessed, tmp_path, monkeypatch):
    document = json.loads((assessed / "assessment.json").read_text())
    shown = (assessed / "report.html").read_text().split("<h3>The same again</h3>")[1].split("</code>")[0]
    assert unescape(shown.split("<code>")[1]) == document["command"]
    words = shlex.split(document["command"])
    assert words[:3] == ["howfar", "assess", f"roads={places / 'roads'}"]
    assert document["identity"].keys() == {f"maps of {name}" for name in ("roads", *SITES)}
    monkeypatch.chdir(tmp_path)
    assert run(words[1:]) == 0
    again = json.loads((assessed / "assessment.json").read_text())
    made = ("run", "parents", "provenance", "seal")
    assert {**again, **dict.fromkeys(made)} == {**document, **dict.fromkeys(made)}
