"""A study file: what it runs and keeps, and what is refused before any work."""

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
from howfar.io.file_locks import alone
from howfar.option_checks_and_signatures import declared
from howfar.options_by_function import (
    AdaptOptions,
    BackboneOptions,
    PromptOptions,
    StudyFileOptions,
    TrainingOptions,
    TrainOptions,
)
from howfar.results.study_run import StudyRun
from howfar.studies.study_file.read_study_file import (
    LATER,
    BackboneEntry,
    DatasetEntry,
    ModelEntry,
    json_schema,
    parse_document,
)
from howfar.studies.study_file.run_and_estimate import LOCK


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


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("seed = 3", "sede = 3", "key of settings must be a setting of a study, got 'sede': did you mean seed?"),
        ("components = [1", "componets = [1", "key of studies.components must be a known one, got 'componets': did you mean"),
        ("limit = 9", "limt = 9", "key of datasets.roads must be a known one, got 'limt': did you mean limit?"),
        ("limit = 9", "limit = 0", "datasets.roads.limit must be at least 1, got 0"),
        ("[settings]", "[setings]", "key of the study file must be a known one, got 'setings': did you mean settings?"),
        ('path = "south"', 'path = "nowhere"', "datasets.south: path"),
        ("south = {", "north = {", "small-roads.toml: study file is no TOML that can be read"),
        ("[1, 2, 4]", "[0, 2, 4]", "studies.components: components must be different numbers of at least 1, got [0, 2, 4]"),
        ("[1, 2, 4]", '["two", 4]', "studies.components.components.0 must be a whole number"),
        ('backbone = "colour_moments"', 'backbone = "colour_momnets"', "did you mean 'colour_moments'?"),
        ('backbones = ["pixels"', 'backbones = ["pixel"', "must be one of backbones, got 'pixel': did you mean pixels?"),
        ('primary = "roads"', 'primary = "road"', "must be one of datasets, got 'road': did you mean roads?"),
        ('secondaries = ["north", "south"]', 'secondaries = ["north", "north"]', "secondaries must not repeat"),
        ('primary = "roads"\n', "", "studies.components.primary must be given, and is missing"),
        ("[studies.components]", "[studies.componnets]", "must be a kind of study, got 'componnets': did you mean"),
        ("pixels = {}", 'pixels = { weights = "w" }', "key of backbones.pixels must be an option of pixels, got 'weights'"),
        ("${ROADS:-roads}", "${NOT_SET_ANYWHERE}", "names the environment variable NOT_SET_ANYWHERE, which"),
        ("[studies.components]", '[studies."../out"]\nkind = "components"', "name of a study must be words"),
        ("[studies.components]", '[studies.tables]\nkind = "components"', "name of a study must be words"),
        ("seed = 3", 'seed = "abc"', "seed must"),
        ("seed = 3", "seed = -1", "seed must"),
        ('stands_for = "S_1"', 'stands_for = "S_3"', "datasets.south.stands_for must be another than that of north"),
        ('stands_for = "S_1"', 'stands_for = "S_7"', "datasets.north.stands_for must"),
        ('secondaries = ["north"', 'secondaries = ["roads"', "secondaries must not hold the primary dataset, got 'roads'"),
        ("[studies.components]", "[studies.components]\nkind = []", "studies.components.kind must be a kind of study"),
        ('path = "north"', 'path = "north", group = "("', "datasets.north.group must be a regular expression"),
        ('title = "Small roads"', 'out = "north/run"', "out must not lie in the folder of datasets.north"),
        ('title = "Small roads"', f"x = {'9' * 5000}", "study file is no TOML that can be read"),
    ],
)
def test_one_line_before_any_work(study_file, before, after, line, capsys):
    text = study_file.read_text(encoding="utf-8")
    assert before in text
    study_file.write_text(text.replace(before, after, 1), encoding="utf-8")
    inside = sorted(path.name for path in study_file.parent.iterdir())
    assert run(["study", str(study_file)]) == 2
    printed = capsys.readouterr()
    assert line in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert sorted(path.name for path in study_file.parent.iterdir()) == inside


def test_two_datasets_of_one_name(study_file, tmp_path_factory, capsys):
    text = study_file.read_text(encoding="utf-8")
    folder = f'every = {{ path = "{study_file.parent}", each = "folder" }}\n[backbones]'
    study_file.write_text(text.replace("[backbones]", folder, 1), encoding="utf-8")
    assert run(["study", str(study_file), "--out", str(tmp_path_factory.mktemp("out"))]) == 2
    assert "datasets.every must hold datasets with names of their own" in capsys.readouterr().err


def test_paths_begin_at_the_file_and_variables_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[datasets]\na.path = "${PLACE}/a"\nb.path = "${OTHER:-b}"\nc.path = "s3://bucket/c"\n[studies.x]\n'
    monkeypatch.setenv("PLACE", "/data")
    document = parse_document(text, Path("/files"), {})
    assert [document.datasets[name].path for name in "abc"] == ["/data/a", "/files/b", "s3://bucket/c"]


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["study", str(tmp_path / "none.toml")]) == 2
    assert "is not there: howfar study --new" in capsys.readouterr().err
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe\x00")
    assert run(["study", str(tmp_path / "odd.toml")]) == 2
    assert "must be readable text" in capsys.readouterr().err


ELSEWHERE = {
    *declared(StudyFileOptions), "device", "workers",  # of `howfar study`
    *DatasetEntry.model_fields, *ModelEntry.model_fields, *BackboneEntry.model_fields,  # of the tables of the file
}  # fmt: skip


@pytest.mark.parametrize(("kind", "keywords"), [("adaptation", AdaptOptions), ("prompts", PromptOptions)])
def test_a_study_takes_every_option_of_its_command(kind: str, keywords: type) -> None:
    taken = set(registry.load("studies", kind).settings.model_fields)
    assert set(declared(keywords)) - taken - ELSEWHERE - {"log"} == set()


def test_networks_take_every_option_of_their_commands() -> None:
    by_run = {"device", "model", "group", "workers", "progress", "log", "seed", "memory", *DatasetEntry.model_fields}
    by_run |= {"bands", "range", "window", "overlap", "frames"}  # of all datasets of a run: howfar study takes them
    assert set(declared(BackboneOptions)) - by_run == set(BackboneEntry.model_fields) - {"backbone"}
    taken = set(ModelEntry.model_fields) - {"segmenter"}
    assert set(declared(TrainOptions)) - by_run - taken <= LATER
    assert set(declared(TrainingOptions)) <= taken
