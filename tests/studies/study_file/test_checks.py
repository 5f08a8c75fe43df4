"""Whatever is wrong in a study file is one line, exit 2, before any work starts."""

from pathlib import Path

import pytest

from howfar import registry
from howfar.cli.main import run
from howfar.errors import InputError
from howfar.function_options import (
    AdaptOptions,
    BackboneOptions,
    PromptOptions,
    StudyFileOptions,
    TrainingOptions,
    TrainOptions,
)
from howfar.option_validation import declared
from howfar.studies.study_file.study_document import BackboneEntry, DatasetEntry, ModelEntry, parse_document


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("seed = 3", "sede = 3", "key of settings must be a setting of a study, got 'sede': did you mean seed?"),
        ("components = [1", "componets = [1", "key of studies.components must be a known one, got 'componets': did you mean"),
        ("limit = 9", "limt = 9", "key of datasets.roads must be a known one, got 'limt': did you mean limit?"),
        ("limit = 9", "limit = 0", "datasets.roads.limit must be at least 1, got 0"),
        ("[settings]", "[setings]", "key of the study file must be a known one, got 'setings': did you mean settings?"),
        ('path = "south"', 'path = "nowhere"', "datasets.south: path"),
        ("south = {", "north = {", "study file is no TOML that can be read"),
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
    with pytest.raises(InputError, match="no TOML"):
        parse_document("a = [", tmp_path, {})


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
    assert set(declared(TrainOptions)) - by_run - taken <= ModelEntry.LATER
    assert set(declared(TrainingOptions)) <= taken
