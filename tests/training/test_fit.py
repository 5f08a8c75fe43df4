"""Training: the same weights whatever stops it, what is kept, and what lies beside a checkpoint."""

import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import lightning
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import howfar
from howfar import registry
from howfar.data import content_hash
from howfar.errors import InputError, MissingPathError
from howfar.metrics import segmentation
from howfar.segmenters import segmenter_family
from howfar.segmenters.checkpoint import Checkpoint
from howfar.training.image_mask_pairs import read_pairs, split
from howfar.training.lightning_module import Fitting
from howfar.training.train import TrainingTask, fit
from howfar.weights.state_dicts import hash_state_dict
from worlds.interrupted import stopped_after

Train = Callable[..., Checkpoint]
Tasks = Callable[..., TrainingTask]
STEPS, EPOCHS = 2, 3


def outcome(found: Checkpoint) -> dict[str, Any]:
    """What a training came to, without when and where."""
    document = found.card.to_dict()
    document.pop("provenance")
    return {**document, "state": hash_state_dict(found.state)}


@contextmanager
def counted(stop: int | None = None) -> Iterator[list[int]]:
    """Count the training steps, and interrupt before step `stop`."""
    steps: list[int] = []
    usual = Fitting.training_step

    def step(self: Fitting, batch: Any, place: int) -> Any:
        if len(steps) == stop:
            raise KeyboardInterrupt
        steps.append(place)
        return usual(self, batch, place)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fitting, "training_step", step)
        yield steps


def interrupt(task: TrainingTask, folder: Path, step: int) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with counted(step), pytest.raises(KeyboardInterrupt):
        fit(task, folder, device="cpu", progress=False)
    assert signal.getsignal(signal.SIGINT) is handler


def state_files(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "state").iterdir())


def test_the_same_seed_gives_the_same_weights_and_history_and_leaves_the_callers_state(trained, undisturbed):
    one, handler = undisturbed(), signal.getsignal(signal.SIGINT)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert outcome(trained()) == outcome(one)
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]  # a property of the module
    assert signal.getsignal(signal.SIGINT) is handler
    assert [entry["epoch"] for entry in one.card.history] == [1, 2, 3]
    assert hash_state_dict(one.state) == one.card.weights


def test_workers_do_not_change_the_weights(trained: Train, undisturbed: Train) -> None:
    assert outcome(trained(workers=1)) == outcome(undisturbed())


def test_what_the_trainer_says_stays_off_the_streams(trained: Train, capfd: pytest.CaptureFixture[str]) -> None:
    # One step an epoch: Lightning would advise of its logging.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trained(epochs=1, batch=8)
    captured = capfd.readouterr()
    assert (captured.out, captured.err, caught) == ("", "", [])


@pytest.mark.parametrize(("step", "keep"), [(0, "best"), (2, "best"), (3, "last"), (5, "best")])
def test_a_training_stopped_at_any_step_ends_as_an_undisturbed_one(step, keep, trained, undisturbed, task, tmp_path):
    wanted = outcome(undisturbed(keep=keep))
    interrupt(task(keep=keep), tmp_path / "state", step)
    assert len(state_files(tmp_path)) == (step >= STEPS)
    with counted() as steps:
        found = trained(keep=keep)
    assert outcome(found) == wanted
    assert len(steps) == STEPS * (EPOCHS - step // STEPS)
    assert state_files(tmp_path) == []


@pytest.mark.parametrize("epoch", range(1, EPOCHS + 1))
def test_a_training_stopped_between_epochs_too(epoch: int, trained: Train, undisturbed: Train, tmp_path: Path) -> None:
    wanted = outcome(undisturbed())
    with stopped_after(epoch):
        trained()
    assert len(state_files(tmp_path)) == 1
    with counted() as steps:
        assert outcome(trained()) == wanted
    assert len(steps) == STEPS * (EPOCHS - epoch)


def test_an_early_stop_that_was_killed_is_not_gone_on_from(trained: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    never_better(monkeypatch)
    wanted = outcome(trained(epochs=6, patience=2))
    with stopped_after(3):
        trained(epochs=6, patience=2)
    assert outcome(trained(epochs=6, patience=2)) == wanted
    assert len(wanted["history"]) == 3


def another_mask(folder: Path) -> None:
    file = folder / "masks" / "0002.png"
    Image.fromarray(np.asarray(Image.open(file))[::-1]).save(file)


def another_image(folder: Path) -> None:
    file = folder / "images" / "0002.jpg"
    Image.open(file).rotate(180).save(file)


@pytest.mark.parametrize("change", [{"seed": 1}, {"width": 6}, {"epochs": 4}, another_mask, another_image])
def test_a_state_of_another_task_is_never_gone_on_with(change, roads, trained, undisturbed, task, tmp_path):
    folder = shutil.copytree(roads, tmp_path / "roads")
    interrupt(task(folder), tmp_path / "state", 3)
    (left,) = state_files(tmp_path)
    options = change if isinstance(change, dict) else {}
    if callable(change):
        change(folder)
    with counted() as steps:
        other = trained(folder=folder, **options)
    assert len(steps) == STEPS * options.get("epochs", EPOCHS)
    assert other.card.weights != undisturbed().card.weights
    assert state_files(tmp_path) == [left]


class Noisy(nn.Module):
    """Draws at every step, as dropout does, and remembers what."""

    drawn: ClassVar[list[float]] = []

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.one(pictures)

    def logits(self, pictures: Tensor) -> tuple[Tensor, ...]:
        noise = torch.rand(1)
        self.drawn.append(float(noise))
        return (self(pictures) * noise,)


def test_what_a_network_draws_is_the_same_after_a_stop(trained, task, tmp_path, monkeypatch):
    registered = registry.load
    family = replace(segmenter_family("deepcrack"), build=lambda options, pretrained: Noisy())
    monkeypatch.setattr(registry, "load", lambda kind, name: family if kind == "segmenters" else registered(kind, name))
    Noisy.drawn.clear()
    wanted = outcome(trained())
    whole = list(Noisy.drawn)
    assert len(set(whole)) == STEPS * EPOCHS
    torch.manual_seed(1)
    interrupt(task(), tmp_path / "state", 3)
    Noisy.drawn.clear()
    found = outcome(trained())
    assert Noisy.drawn == whole[STEPS:]
    assert found == wanted


def test_nothing_is_lost_where_the_checkpoint_cannot_be_saved(task: Tasks, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        fit(task(), tmp_path / "state", tmp_path / "file" / "m.safetensors", device="cpu", progress=False)
    with counted() as steps:
        fit(task(), tmp_path / "state", tmp_path / "m.safetensors", device="cpu", progress=False)
    assert steps == []
    assert Checkpoint.load(tmp_path / "m.safetensors").card.history[-1]["epoch"] == EPOCHS


def never_better(monkeypatch: pytest.MonkeyPatch, best: int = 1) -> None:
    """Held-out ODS falls from epoch to epoch after `best`, and rises up to it."""
    usual = Fitting.finish_epoch

    def finish(self: Fitting) -> Any:
        self._held_out = {"ods": 0.9 - 0.1 * abs(self.current_epoch + 1 - best), "threshold": (self.current_epoch + 1) / 10}
        return usual(self)

    monkeypatch.setattr(Fitting, "finish_epoch", finish)


@pytest.mark.parametrize(("best", "patience", "epochs"), [(2, 2, 4), (1, 1, 2), (1, None, 6), (6, 2, 6)])
def test_training_stops_where_patience_ends(best, patience, epochs, trained, monkeypatch):
    never_better(monkeypatch, best)
    found = trained(epochs=6, patience=patience)
    assert [entry["epoch"] for entry in found.card.history] == list(range(1, epochs + 1))


def weights_by_epoch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects the hash of the weights at the end of each epoch."""
    found: list[str] = []
    usual = Fitting.finish_epoch

    def finish(self: Fitting) -> Any:
        found.append(hash_state_dict(self.segmenter.state_dict()))
        return usual(self)

    monkeypatch.setattr(Fitting, "finish_epoch", finish)
    return found


@pytest.mark.parametrize(("keep", "epoch"), [("best", 2), ("last", 3)])
def test_the_best_or_the_last_weights_are_kept(keep: str, epoch: int, trained: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    never_better(monkeypatch, best=2)
    weights = weights_by_epoch(monkeypatch)
    found = trained(keep=keep)
    assert len(set(weights)) == 3
    assert found.card.weights == weights[epoch - 1]
    assert found.card.threshold == epoch / 10


def test_with_none_held_out_the_last_weights_are_kept(trained: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = weights_by_epoch(monkeypatch)
    found = trained(holdout=0)
    assert found.card.weights == weights[-1]
    assert found.card.threshold is None
    assert found.card.data["held_out"] == []
    assert found.card.data["images"] == 8
    assert [set(entry) for entry in found.card.history] == [{"epoch", "loss"}] * 3


def test_the_history_holds_the_ods_of_the_held_out_images(undisturbed: Train, task: Tasks) -> None:
    found = undisturbed(keep="last")
    _, held = split(task().examples, 0.25, 0)
    pairs = read_pairs(held, 32, progress=False)
    with torch.inference_mode():
        p = torch.sigmoid(found.build()(torch.from_numpy(pairs.pictures).float() / 255))[:, 0].numpy()
    wanted = segmentation.score(list(np.rint(255 * p).astype(np.uint8)), list(pairs.masks[:, 0]))
    last = found.card.history[-1]
    assert (last["ods"], last["threshold"]) == (wanted.ods, wanted.ods_threshold)
    assert found.card.threshold == last["threshold"]


def test_the_card_says_what_was_learnt_and_what_was_held_out(undisturbed: Train, task: Tasks) -> None:
    found = undisturbed()
    learnt, held = split(task().examples, 0.25, 0)
    data = found.card.data
    assert data["contents"] == [content_hash(one.path.read_bytes()) for one in learnt]
    assert data["held_out"] == [content_hash(one.path.read_bytes()) for one in held]
    assert (data["primary"], data["images"], data["extra"], data["started_from"]) == ("roads", 6, [], None)
    assert data["sides"] == {"median": 64.0, "largest": 64.0}
    assert found.card.settings == task().settings.model_dump()
    assert (found.card.segmenter, found.card.options, found.card.size) == ("deepcrack", {"width": 4}, 32)
    assert repr(found) == "Checkpoint of deepcrack, 32 px, trained on 6 images of roads"


def test_a_training_begins_with_a_checkpoint(trained: Train, undisturbed: Train) -> None:
    first = undisturbed()
    found = trained(start=first, epochs=1)
    assert found.card.data["started_from"] == first.card.weights
    assert found.card.weights != undisturbed(epochs=1).card.weights
    # At a rate of next to nothing the weights stay; statistics of batches do not.
    still = trained(start=first, epochs=1, rate=1e-30, decay=0, keep="last")
    learnt = [name for name in first.state if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(still.state[name], first.state[name]) for name in learnt)
    with pytest.raises(InputError, match="weights do not fit the network: the checkpoint to begin with"):
        trained(start=first, width=6)


def test_a_loss_that_is_no_number_ends_the_training(trained: Train) -> None:
    with pytest.raises(
        InputError, match=r"rate must be so low that the loss stays finite, .* in epoch \d, got 1e\+30"
    ) as caught:
        trained(rate=1e30, augment=False)
    assert "\n" not in str(caught.value)


TINY: dict[str, Any] = {
    "options": {"width": 4}, "pretrained": False, "size": 32, "batch": 4, "epochs": 1, "device": "cpu", "progress": False,
}  # fmt: skip


def train(primary: Any, out: Any = None, **given: Any) -> Checkpoint:
    return howfar.train(primary, "deepcrack", out, **{**TINY, **given})


def test_images_are_read_as_in_training(roads: Path, tmp_path: Path) -> None:
    trained = train(roads, tmp_path / "m.safetensors", bands="3,2,1")
    assert trained.card.data["reading"] == {"bands": [3, 2, 1]}
    how: dict[str, Any] = {"progress": False, "device": "cpu"}
    with pytest.raises(InputError, match=r"bands must be as in the checkpoint's training, got \(\): pass 3,2,1"):
        howfar.predict(trained, roads, tmp_path / "maps", **how)
    assert howfar.predict(trained, roads, tmp_path / "maps", bands="3,2,1", **how).written
    with pytest.raises(InputError, match="range must be as in the checkpoint's training, got '0:9': leave it out"):
        howfar.predict(trained, roads, tmp_path / "maps", bands="3,2,1", range="0:9", **how)


def abandoned(roads: Path, tmp_path: Path, **given: Any) -> list[Path]:
    """The states of two trainings to one checkpoint that were stopped, and half of one that was killed."""
    for seed in (1, 2):
        with stopped_after(1):
            train(roads, tmp_path / "m.safetensors", epochs=2, seed=seed, **given)
    folder = Path(given.get("state", tmp_path / "m.safetensors.state"))
    states = sorted(folder.glob("*.state"))
    assert len(states) == 2
    shutil.copy(states[0], folder / f".{states[0].name}.part")
    return [*states, folder / f".{states[0].name}.part"]


def test_a_finished_training_removes_what_others_to_its_checkpoint_left(roads: Path, tmp_path: Path) -> None:
    abandoned(roads, tmp_path)
    (tmp_path / "m.safetensors.state" / "notes.txt").write_text("mine")
    train(roads, tmp_path / "m.safetensors")
    assert [file.name for file in (tmp_path / "m.safetensors.state").iterdir()] == ["notes.txt"]


AT_WORK = """
import pathlib, sys
from howfar.io.file_locks import locked
with locked(pathlib.Path(sys.argv[1]), shared=True):
    print(flush=True)
    input()
"""


def test_nothing_is_removed_beside_a_training_at_work_nor_from_a_folder_that_was_named(roads: Path, tmp_path: Path) -> None:
    left = abandoned(roads, tmp_path)
    # Another process, as it is while it trains.
    other = subprocess.Popen(
        [sys.executable, "-c", AT_WORK, left[0].parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        other.stdout.readline()
        train(roads, tmp_path / "m.safetensors")
        assert all(file.is_file() for file in left)
    finally:
        other.communicate("\n", timeout=60)
    train(roads, tmp_path / "m.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]
    named = abandoned(roads, tmp_path, state=tmp_path / "kept")
    train(roads, tmp_path / "m.safetensors", state=tmp_path / "kept")
    assert all(file.is_file() for file in named)


def test_a_state_that_cannot_be_written_leaves_no_half(roads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: lightning.Trainer, path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(lightning.Trainer, "save_checkpoint", full)
    with pytest.raises(OSError, match="disk full"):
        train(roads, state=tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({}, InputError, "state must be given where out is not, got None: name a folder for the state of the training"),
        ({"out": "{tmp}"}, InputError, "out must be a file, not a folder"),
        ({"out": "{tmp}/m", "options": {"encoder": "b3"}}, InputError, "option must be one of deepcrack, got 'encoder'"),
        ({"out": "{tmp}/m", "start": "none.safetensors"}, MissingPathError, "no checkpoint at none.safetensors"),
        ({"out": "{tmp}/m", "primary": "/no/such"}, MissingPathError, "/no/such"),
        ({"out": "{tmp}/m", "background": ["{tmp}/e.npy"]}, InputError, "dataset must be images with masks, not embeddings"),
        ({"out": "{tmp}/m", "device": "cuda:99"}, InputError, "device must be on this machine, got 'cuda:99'"),
    ],
)
def test_what_is_refused_is_one_line(given, kind, words, roads, tmp_path):
    np.save(tmp_path / "e.npy", np.zeros((4, 3), np.float32))

    def filled(value: Any) -> Any:
        return [filled(one) for one in value] if isinstance(value, list) else str(value).format(tmp=tmp_path)

    places = {name: filled(given[name]) for name in ("out", "primary", "background", "start") if name in given}
    with pytest.raises(kind) as caught:
        train(**{"primary": roads, **given, **places})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["e.npy"]
