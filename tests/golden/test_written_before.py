"""A store, run folders, a profile and a checkpoint that commit 0e0377f wrote are read as that commit read them.

The script that wrote them runs at that commit alone, and git keeps it:
``git show de885c3e:tests/golden/written_before_0_1/make.py``.
"""

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import howfar
from golden.written_before_0_1.summaries import columns, keys
from howfar.cli.main import run
from howfar.results import Comparison, Evaluation, Relation, Selection
from howfar.results.adaptation_result import Adaptation
from howfar.results.backbones_result import BackboneComparison
from howfar.results.matrix_result import Matrix
from howfar.results.segmenter_studies import Prompting
from howfar.segmenters.checkpoint import Checkpoint

HERE = Path(__file__).with_name("written_before_0_1")
EXPECTED = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))
ADDED = {
    *("settings", "options", "sources", "group", "contents_before", "all_contents_known"),
    *("mean_f_ods", "strata", "slopes", "contributions", "threads"),
    *("sides", "notes"),
    *("set_coverage", "set_width", "home_error", "gates", "gate", "roads", "own_residual"),
    *("near_duplicates", "slices"),
    *("why", "task", "label_names"),
    *("rivals_ci", "rivals_p", "mind"),
    *("reading", "error_rate", "tiled", "residual_components", "network"),
}
"""Keys that may hold, or be, what earlier versions did not record: all that a run needs to be made again, what is left out of a
checkpoint's evaluation, of an adaptation the paper's F and its tables by distance, the sizes of the images learnt from, notes
on a prediction, how an estimator did on the means of sets and on P's own kind (roads), the gate, near duplicates, slices, why a
strategy was taken, what is labelled and how labels are called, intervals and p-values of rival distances, and
MIND among these, how a network was fed and which it was, and what the judge of sites was asked for."""
EMPTY = {"choices", "choice"}
"""Keys that hold nothing any more, as no estimator is chosen by its errors."""
RESULTS = {
    "comparison": (Comparison, "run"),
    "relation": (Relation, "run"),
    "backbones": (BackboneComparison, "run-backbones"),
    "matrix": (Matrix, "matrix"),
    "evaluation": (Evaluation, "evaluated/far.parquet"),
    "selection": (Selection, "run/select-far"),
    "adaptation": (Adaptation, "adaptation"),
    "prompting": (Prompting, "prompting"),
}
COLOUR = ("--backbone", "colour_moments")
TINY = ("--model", "deepcrack", "--option", "width=1", "--size", "32", "--epochs", "1", "--device", "cpu")
QUICK = ("--bootstrap", "20", "--permutations", "19")
PERFORMANCE = tuple(part for name in ("roads", "near", "far") for part in ("--performance", f"evaluated/{name}.parquet"))
MAPS = ("--predictions", "maps/far")
COMMANDS: dict[str, tuple[str, ...]] = {
    "train": ("train", "roads", "-o", "new.safetensors", *TINY, "--weights", "none", "--batch", "4"),
    "embed": ("embed", "roads", "near", "far", *COLOUR, "--store", "store"),
    "compare": ("compare", "roads", "near", "far", "new", *COLOUR, *QUICK, "--store", "store"),
    "compare_backbones": (
        "compare", "roads", "near", "far", *COLOUR, "--backbone", "deepcrack", "--weights", "deepcrack=model.safetensors",
        "--no-baselines", *QUICK, "--store", "store",
    ),
    "evaluate": ("evaluate", "far", *MAPS),
    "relate": ("relate", "run", *PERFORMANCE, "--bootstrap", "20", "--tau", "0.6"),
    "select": ("select", "run", "--dataset", "far", "-k", "3", "--strategy", "far"),
    "matrix": ("matrix", "roads", "near", "far", *COLOUR, "--bootstrap", "20", "--store", "store"),
    "profile": (
        "profile", "roads", *COLOUR, "-o", "new.howfar", "--labelled", "near", "--labelled", "far", *PERFORMANCE,
        "--tau", "0.6", "--store", "store",
    ),
    "score": ("score", "roads.howfar", "far"),
    "adapt": (
        "adapt", "roads", "near", "far", *TINY, "-o", "adaptation", "--shots", "1", "--background", "new",
        "--background-shots", "2", "--bootstrap", "20",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files as that commit left them, to be read alone."""
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(HERE / "files.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def old(unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them in which the test runs."""
    monkeypatch.chdir(shutil.copytree(unpacked, tmp_path / "old"))
    return tmp_path / "old"


class Silent:
    """A backbone that has another's identity and must not be asked for a feature."""

    def __init__(self, backbone: Any) -> None:
        self.name, self.layers, self.identity = backbone.name, backbone.layers, backbone.identity
        self.prepare = backbone.prepare

    def embed(self, batch: Any) -> Any:
        raise AssertionError(f"{len(batch)} images were embedded anew")


def assert_holds(document: Any, old: Any, path: str = "", rel: float = 1e-9) -> None:
    """The document has the old one's keys and values, numbers within `rel`. Nothing but settings may have been added."""
    if isinstance(old, dict):
        added = set(document) - set(old)
        assert set(old) <= set(document), f"{path}: {set(old) - set(document)} got lost"
        assert added <= ADDED or ADDED & set(path.split(".")), f"{path}: {added} came in"
        for key, value in old.items():
            assert_holds(document[key], value, f"{path}.{key}", rel)
    elif isinstance(old, list):
        assert len(document) == len(old), path
        for place, value in enumerate(old):
            assert_holds(document[place], value, f"{path}[{place}]", rel)
    else:
        assert document == (pytest.approx(old, rel=rel, abs=1e-12) if isinstance(old, float) else old), path


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_read(unpacked: Path, name: str) -> None:
    kind, place = RESULTS[name]
    result = kind.load(unpacked / place)
    assert_holds(json.loads(json.dumps(result.to_dict())), EXPECTED["results"][name]["document"])
    for attribute, expected in EXPECTED["results"][name]["frames"].items():
        # The column segmenter, which is of one value, is not written.
        summed = columns(getattr(result, attribute).drop(columns="segmenter", errors="ignore"))
        assert summed["rows"] == expected["rows"], attribute
        assert summed["columns"] == pytest.approx(expected["columns"], rel=1e-9, abs=1e-12, nan_ok=True), attribute


def test_every_command_is_expected() -> None:
    assert set(COMMANDS) | {"prompts"} == set(EXPECTED["keys"])


@pytest.mark.parametrize(("backbone", "options"), [("colour_moments", {}), ("deepcrack", {"weights": "model.safetensors"})])
@pytest.mark.parametrize("name", ["roads", "near", "far"])
def test_the_store_gives_every_feature_by_content(old: Path, backbone: str, options: dict[str, str], name: str) -> None:
    moved = old / "elsewhere"
    moved.mkdir()
    for file in (old / name / "images").iterdir():
        shutil.move(file, moved / f"picture-{file.name}")
    silent = Silent(howfar.load_backbone(backbone, **options))
    features = howfar.embed(moved, silent, store=old / "store", progress=False)
    assert features.skipped == ()
    sums = features.to_array().astype(float).sum(axis=1)
    np.testing.assert_allclose(sums, EXPECTED["features"][f"{backbone}/{name}"], rtol=1e-6)


def test_the_store_has_no_feature_of_another_picture(old: Path) -> None:
    (old / "other").mkdir()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(old / "other" / "0001.png")
    with pytest.raises(AssertionError, match="embedded anew"):
        howfar.embed(old / "other", Silent(howfar.load_backbone("colour_moments")), store=old / "store", progress=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_json_has_the_keys_that_it_had(old: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*COMMANDS[name], "--json"]) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    before, now = set(EXPECTED["keys"][name]), set().union(*map(keys, documents))
    # Which libraries there are is the installation's.
    before, now = ({key for key in some if ".libraries." not in key} for some in (before, now))
    assert [key for key in sorted(before - now) if not EMPTY & set(key.replace("[]", "").split("."))] == []
    assert [key for key in sorted(now - before) if not ADDED & set(key.replace("[]", "").split("."))] == []


def test_distances_from_the_store_are_those_of_before(old: Path) -> None:
    options = {"bootstrap": 0, "permutations": 0, "baselines": False, "progress": False}
    silent = Silent(howfar.load_backbone("colour_moments"))
    found = howfar.compare("roads", ["near", "far"], silent, store="store", **options).to_dict()
    before = EXPECTED["results"]["comparison"]["document"]
    for now, expected in zip(found["datasets"], before["datasets"][:2], strict=True):
        for name in ("o_dist", "o_dist_mean", "relative", "energy", "explained_variance", "self_distance"):
            assert now[name] == pytest.approx(expected[name], rel=1e-6), name


def test_distances_of_embeddings_are_those_of_before(old: Path) -> None:
    found = howfar.compare("rows-primary.npy", ["rows-secondary.npy"], bootstrap=0, permutations=0, progress=False)
    assert found.datasets[0].o_dist_mean == pytest.approx(EXPECTED["embeddings"], rel=1e-6)
    assert Comparison.load("run-embeddings").datasets[0].o_dist_mean == pytest.approx(EXPECTED["embeddings"], rel=1e-12)


def test_a_profile_scores_as_before(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*COMMANDS["score"], "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    # The files lie elsewhere now.
    lines, before = ([{**line, "image": Path(line["image"]).name} for line in some] for some in (lines, EXPECTED["score"]))
    # Which estimator is used, and how its interval is made, is today's.
    todays = ("predicted", "predicted_low", "predicted_high", "estimator", "flag", "reason")
    lines, before = ([{name: line[name] for name in line if name not in todays} for line in some] for some in (lines, before))
    assert_holds(lines, before, rel=1e-6)


def test_a_checkpoint_predicts(old: Path) -> None:
    assert Checkpoint.load(old / "model.safetensors").card.segmenter == "deepcrack"
    assert run(["predict", "model.safetensors", "far", "-o", "new-maps", "--device", "cpu"]) == 0
    assert len(list((old / "new-maps").rglob("*.png"))) == 9


def test_a_study_goes_on_from_the_models_of_before(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: object, **__: object) -> None:
        raise AssertionError("a model was trained anew")

    monkeypatch.setattr("howfar.studies.adaptation.adapt.fit", fit)
    assert run([*COMMANDS["adapt"]]) == 0
    before = EXPECTED["results"]["adaptation"]["document"]
    # A model without labels is a row of every study now.
    gains = [row for row in Adaptation.load("adaptation").to_dict()["gains"] if row["model"] != "norm"]
    assert_holds(gains, before["gains"])


@pytest.mark.parametrize("folder", ["run", "run-backbones", "matrix", "adaptation", "prompting"])
def test_a_report_is_drawn_of_it(old: Path, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", folder]) == 0
    assert (old / folder / "report.html").stat().st_size > 10_000
