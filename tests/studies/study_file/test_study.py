"""A study file is run, kept, gone on with, and reported."""

import csv
import json
import re
import tomllib
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import howfar
from howfar import registry
from howfar.cli.main import run
from howfar.errors import InputError
from howfar.io.lock import alone
from howfar.results.study_run import StudyRun
from howfar.studies.study_file.run_study import LOCK, estimate
from howfar.studies.study_file.study_document import json_schema


def test_runs_keeps_and_runs_anew_what_changed(study_file: Path) -> None:
    first = howfar.study(study_file, progress=False)
    folder = study_file.parent / "small-roads"
    made = (folder / "components" / "components.json").stat().st_mtime_ns, (folder / "report.html").stat().st_mtime_ns
    howfar.study(study_file, progress=False)
    assert made == ((folder / "components" / "components.json").stat().st_mtime_ns, (folder / "report.html").stat().st_mtime_ns)
    text = study_file.read_text(encoding="utf-8")
    study_file.write_text(text.replace("[1, 2, 4]", "[1, 3]"), encoding="utf-8")
    second = howfar.study(study_file, progress=False)
    assert (first["components"].components, second["components"].components) == ((1, 2, 4), (1, 3))
    assert StudyRun.load(folder)["components"].components == (1, 3)


def test_a_changed_image_is_measured_anew(study_file: Path, pictures: Path) -> None:
    (study_file.parent / "south").unlink()
    south = study_file.parent / "south"
    howfar.demo.write_dataset(south, 6, seed=9, size=32)
    before = howfar.study(study_file, progress=False)["components"].distances
    image = sorted((south / "images").iterdir())[0]
    image.write_bytes(sorted((pictures / "north" / "images").iterdir())[0].read_bytes())
    after = howfar.study(study_file, progress=False)["components"].distances
    assert not np.allclose(before["o_dist_mean"], after["o_dist_mean"])


def test_distances_are_those_of_compare(study_file: Path) -> None:
    result = howfar.study(study_file, progress=False)["components"]
    roads = result.distances[(result.distances["backbone"] == "pixels") & (result.distances["components"] == 2)]
    text = study_file.read_text(encoding="utf-8").replace(", limit = 9", "")
    study_file.write_text(text, encoding="utf-8")
    result = howfar.study(study_file, progress=False)["components"]
    whole = result.distances[(result.distances["backbone"] == "pixels") & (result.distances["components"] == 2)]
    folder = study_file.parent
    options = {"components": 2, "bootstrap": 0, "permutations": 0, "baselines": False, "progress": False}
    compared = howfar.compare(folder / "roads", [folder / "north", folder / "south"], "pixels", **options)
    expected = [dataset.relative for dataset in compared.datasets]
    np.testing.assert_allclose(whole["relative"], expected, rtol=1e-6)
    assert not np.allclose(roads["relative"], expected, rtol=1e-3)


def test_files_for_the_next_paper(study_file: Path) -> None:
    howfar.study(study_file, progress=False)
    folder = study_file.parent / "small-roads"
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"components-curve.{end}" for end in ("png", "svg", "pdf")
    }
    rows = list(csv.reader((folder / "tables" / "components-scaled-1.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["components", "north", "south", "explained"]
    assert abs(float(rows[1][1]) + float(rows[1][2]) - 1) < 1e-9
    latex = (folder / "tables" / "components-scaled-1.tex").read_text(encoding="utf-8")
    assert r"\toprule" in latex
    assert r"$O^{\mathrm{dist}}$" in latex
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Printed in the paper" in page
    assert "0.078" in page  # S_1 of table 6 at 5 components
    assert 'href="tables/components-scaled-1.csv"' in page


def test_another_run_in_the_folder_is_refused(study_file: Path) -> None:
    folder = study_file.parent / "small-roads"
    folder.mkdir()
    with alone(folder / LOCK), pytest.raises(InputError, match="another run at once"):
        howfar.study(study_file, progress=False)


TRAININGS = """
[models.unetplusplus]
size = 32
pretrained = false
[studies.adaptation]
primary = "roads"
secondaries = ["north"]
models = ["unetplusplus"]
shots = [1]
seeds = [0]
random_seeds = []
"""


def test_json_and_dry_run(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["study", str(study_file), "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)["studies"][0]
    assert (planned["state"], planned["images"]) == ("to do", 2 * (9 + 10 + 10))
    assert planned["seconds"] > 0
    assert planned["size"] == 29 * 4 * (96 * 96 * 3 + 6)
    assert not (study_file.parent / "small-roads").exists()
    assert run(["study", str(study_file), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["results"]["components"]["components"] == [1, 2, 4]
    assert run(["study", str(study_file), "--dry-run"]) == 0
    assert "all 1 studies are done" in capsys.readouterr().out


def test_trainings_on_small_images_are_estimated(study_file: Path) -> None:
    """One image would be too few for a network that normalises by a batch."""
    with study_file.open("a", encoding="utf-8") as more:
        more.write(TRAININGS)
    (found,) = estimate(study_file, only="adaptation").studies
    assert found.trainings == 3
    assert found.seconds > 0


def test_the_start_is_a_study_file_with_every_kind_and_the_schema_knows_it(tmp_path, capsys):
    file = tmp_path / "new.toml"
    assert run(["study", "--new", str(file)]) == 0
    assert str(file) in capsys.readouterr().out.replace("\n", "")
    text = file.read_text(encoding="utf-8")
    jsonschema.validate(tomllib.loads(text), json_schema())
    whole = tomllib.loads(re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE))
    assert set(whole["studies"]) == set(registry.OURS["studies"])
    jsonschema.validate(whole, json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text.replace("limit = 200", 'limit = "all"')), json_schema())
    assert run(["study", "--new", str(file)]) == 2
    assert "must not be there yet" in capsys.readouterr().err


def test_one_study_is_run_alone(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = study_file.read_text(encoding="utf-8")
    study_file.write_text(text + text[text.index("[studies.") :].replace("components]", 'few]\nkind = "components"', 1))
    assert run(["study", str(study_file), "--dry-run", "--only", "few", "--json"]) == 0
    assert [study["name"] for study in json.loads(capsys.readouterr().out)["studies"]] == ["few"]
    found = howfar.study(study_file, only="few", progress=False)
    assert [record.name for record in found.studies] == ["few"]
    assert not (study_file.parent / "small-roads" / "components").exists()
    assert [record.name for record in howfar.study(study_file, progress=False).studies] == ["components", "few"]
    # What is done already stays in the report.
    assert len(howfar.study(study_file, only="few", progress=False).studies) == 2
    assert run(["study", str(study_file), "--only", "fw"]) == 2
    assert "--only must name studies of the file, got 'fw': did you mean few?" in capsys.readouterr().err


def test_the_published_schema_is_current() -> None:
    published = Path(__file__).resolve().parents[3] / "docs" / "reference" / "study.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json_schema(), (
        "run howfar study --schema > docs/reference/study.schema.json"
    )
