"""What is logged where: epochs once although a training was killed, scores at the end; a tracker that fails costs nothing."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import howfar
from howfar import registry
from howfar.cli.main import run as howfar_run
from howfar.demo import write_dataset
from howfar.errors import HowfarError, MissingExtraError, UnknownNameError
from howfar.io.partial_results import TRACKED
from howfar.training.lightning_module import Fitting, Keep
from worlds.interrupted import stopped_after

TINY = {"size": 32, "batch": 4, "epochs": 3, "holdout": 0.25, "device": "cpu", "progress": False}
MODEL = {"options": {"width": 4}, "pretrained": False}
NETWORK = ["--model", "deepcrack", "--option", "width=4", "--weights", "none", "--size", "32", "--batch", "4"]


class Notebook:
    """A tracker that keeps all in memory."""

    runs: ClassVar[dict[str, dict[str, Any]]] = {}
    broken: ClassVar[bool] = False

    def __init__(self, name: str, group: str, settings: Mapping[str, Any], resumed: str | None) -> None:
        self.id = resumed or f"run-{len(self.runs)}"
        begun = {"name": name, "group": group, "settings": settings, "logged": [], "ended": []}
        self._run = self.runs.setdefault(self.id, begun)

    @staticmethod
    def check() -> None:
        """Is always there."""

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        if self.broken:
            raise ConnectionError("the network is down")
        self._run["logged"].append((step, dict(numbers)))

    def end(self, succeeded: bool) -> None:
        self._run["ended"].append(succeeded)


@pytest.fixture
def notebook(monkeypatch) -> dict[str, dict[str, Any]]:
    monkeypatch.setattr(Notebook, "runs", {})
    monkeypatch.setitem(registry.OURS, "trackers", {"notebook": f"{__name__}:Notebook"})
    monkeypatch.setattr(registry, "load", lambda kind, name, usual=registry.load: _load(usual, kind, name))
    return Notebook.runs


def _load(usual: Callable[[str, str], Any], kind: str, name: str) -> Any:
    return Notebook if (kind, name) == ("trackers", "notebook") else usual(kind, name)


@pytest.fixture(scope="module")
def roads(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("tracking") / "roads", 8, seed=0, size=32)


def test_epochs_settings_and_what_is_kept(roads, tmp_path, notebook):
    found = howfar.train(roads, "deepcrack", tmp_path / "m.safetensors", log="notebook", **TINY, **MODEL)
    (only,) = notebook.values()
    assert (only["name"], only["ended"]) == ("m", [True])
    assert {"segmenter": "deepcrack", "option.width": 4, "epochs": 3, "seed": 0, "images": 6}.items() <= only[
        "settings"
    ].items()
    *epochs, (last, kept) = only["logged"]
    wanted = [(entry["epoch"], {name: entry[name] for name in ("loss", "ods", "threshold")}) for entry in found.card.history]
    assert epochs == wanted
    assert last == 3
    assert kept["kept/threshold"] == found.card.threshold
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


# After the state is kept an epoch may be logged or not: either way it is there once.
@pytest.mark.parametrize(("callback", "after"), [(Keep, 1), (Keep, 2), (Fitting, 2), (Keep, 3)])
def test_a_training_that_was_killed_goes_on_with_its_run(callback, after, roads, tmp_path, notebook):
    given = {**TINY, **MODEL, "log": "notebook"}
    with stopped_after(after, callback):
        howfar.train(roads, "deepcrack", tmp_path / "m.safetensors", **given)
    assert len(list((tmp_path / "m.safetensors.state").glob(f"*{TRACKED}"))) == 1
    howfar.train(roads, "deepcrack", tmp_path / "m.safetensors", **given)
    (only,) = notebook.values()
    assert [step for step, numbers in only["logged"] if "loss" in numbers] == [1, 2, 3]
    assert only["ended"] == [False, True]
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]
    howfar.train(roads, "deepcrack", tmp_path / "m.safetensors", **given)
    assert len(notebook) == 2  # what had ended is not gone on with


def test_nothing_is_lost_where_the_tracker_fails(roads, tmp_path, notebook, monkeypatch, capfd):
    wanted = howfar.train(roads, "deepcrack", tmp_path / "m.safetensors", **TINY, **MODEL)
    assert notebook == {}
    monkeypatch.setattr(Notebook, "broken", True)
    given = {**TINY, **MODEL, "progress": True}
    found = howfar.train(roads, "deepcrack", tmp_path / "n.safetensors", log="notebook", **given)
    assert found.card.weights == wanted.card.weights
    said = [line for line in capfd.readouterr().err.splitlines() if "notebook" in line]
    assert len(said) == 1
    assert said[0].endswith("nothing more is logged to notebook: the network is down")


def test_a_study_logs_each_model_and_its_gains(roads, tmp_path, notebook):
    site = write_dataset(tmp_path / "site", 6, seed=3, size=32)
    given = {**TINY, **MODEL, "epochs": 1, "shots": [1], "strategies": ["random"], "bootstrap": 2}
    for _ in range(2):
        howfar.adapt(roads, [site], "deepcrack", out=tmp_path / "study", log="notebook", **given)
    names = [each["name"] for each in notebook.values()]
    # A study that is run again trains nothing, and logs what it came to again.
    assert names == ["seed0/M", "seed0/random-1", "study", "study"]
    assert {each["group"] for each in notebook.values()} == {"study"}
    ((_, scores),) = next(each for each in notebook.values() if each["name"] == "study")["logged"]
    assert {"mean_f/M on site", "gain/random-1 on site/low"} <= set(scores)


def test_compare_and_relate_log_the_numbers_of_their_documents(tmp_path, notebook):
    rng = np.random.default_rng(0)
    given = {"bootstrap": 10, "permutations": 0, "log": "notebook"}
    p, s = rng.normal(size=(30, 4)), rng.normal(size=(40, 4)) * np.linspace(0.5, 4, 40)[:, None]
    result = howfar.compare(p, {"a/b": s}, **given)
    table = result.images[["dataset", "image"]].assign(performance=0.9 - 0.5 * result.images["i_dist_scaled"])
    relation = howfar.relate(result, table, bootstrap=10, log="notebook")
    first, second = notebook.values()
    ((_, numbers),) = first["logged"]
    assert numbers["datasets/a_b/relative"] == result.datasets[0].relative
    assert numbers["datasets/a_b/relative_ci/low"] == result.datasets[0].relative_ci[0]
    assert first["settings"]["bootstrap"] == 10
    ((_, numbers),) = second["logged"]
    assert numbers["datasets/a_b/mean"] == relation.datasets[0].mean
    assert len(numbers) < 1000


def test_an_unknown_or_absent_tracker_is_one_line_before_any_work(roads, tmp_path, monkeypatch, capsys):
    with pytest.raises(UnknownNameError, match="known: mlflow, wandb"):
        howfar.train(roads, "deepcrack", tmp_path / "m.safetensors", log="mlfow")
    for name in ("mlflow", "wandb"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
        with pytest.raises(MissingExtraError, match=rf"pip install 'howfar\[{name}\]'"):
            howfar.adapt(roads, [roads], out=tmp_path / "study", log=name)
    assert howfar_run(["train", str(roads), "-o", str(tmp_path / "m.safetensors"), *NETWORK, "--log", "mlflow"]) == 2
    assert capsys.readouterr().err.startswith("howfar: log mlflow needs MLflow: pip install 'howfar[mlflow]'")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def mlflow_store(tmp_path, monkeypatch) -> Any:
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is absent")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path / 'mlruns'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # mlflow-skinny has no other store without a server
    return mlflow


@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_one_run_although_the_training_was_killed(roads, tmp_path, mlflow_store):
    given = {**TINY, **MODEL, "log": "mlflow"}
    with stopped_after(2, Fitting):
        howfar.train(roads, "deepcrack", tmp_path / "m.safetensors", **given)
    client = mlflow_store.MlflowClient()
    (experiment,) = [found.experiment_id for found in client.search_experiments() if found.name == "howfar"]
    (stopped,) = client.search_runs([experiment])
    assert stopped.info.status == "KILLED"
    found = howfar.train(roads, "deepcrack", tmp_path / "m.safetensors", **given)
    (only,) = client.search_runs([experiment])
    assert (only.info.run_id, only.info.status, only.info.run_name) == (stopped.info.run_id, "FINISHED", "m")
    losses = client.get_metric_history(only.info.run_id, "loss")
    assert [(each.step, each.value) for each in losses] == [(entry["epoch"], entry["loss"]) for entry in found.card.history]
    assert only.data.params["rate"] == str(found.card.settings["rate"])
    assert only.data.metrics["kept/threshold"] == found.card.threshold


@pytest.fixture
def offline(tmp_path, monkeypatch) -> Path:
    pytest.importorskip("wandb", reason="the extra wandb is absent")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    return tmp_path / "wandb"


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore")
def test_wandb_writes_offline_runs_of_one_id(roads, tmp_path, offline, capfd):
    given = [str(roads), "-o", str(tmp_path / "m.safetensors"), *NETWORK, "--epochs", "2", "--json", "--log", "wandb"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Keep, "on_train_epoch_end", _stop)
        assert howfar_run(["train", *given]) == 130
    assert howfar_run(["train", *given]) == 0
    assert len(json.loads(capfd.readouterr().out)["history"]) == 2
    folders = [folder.name for folder in offline.iterdir() if folder.name.startswith("offline-run-")]
    assert len(folders) == 2 or os.environ.get("PYTEST_XDIST_WORKER")
    assert len({name.rpartition("-")[2] for name in folders}) == 1


@pytest.mark.filterwarnings("ignore")
def test_wandb_without_a_key_says_what_to_do(offline, monkeypatch):
    wandb: Any = pytest.importorskip("wandb")

    def refuse(**_: Any) -> None:
        raise wandb.errors.UsageError("No API key configured. Use `wandb login` to log in.")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(HowfarError, match="type wandb login once, or set WANDB_MODE=offline"):
        howfar.compare(np.eye(8), {"s": np.eye(8)}, bootstrap=0, permutations=0, log="wandb")
