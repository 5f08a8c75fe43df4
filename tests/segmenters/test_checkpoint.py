"""A checkpoint in a file: the same network again, nothing executed, and one line for what is no sound checkpoint."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from howfar.errors import HowfarError, InputError, StoreError
from howfar.segmenters import build_segmenter
from howfar.segmenters.checkpoint import KEY, Checkpoint, CheckpointCard
from howfar.weights.state_dicts import hash_state_dict


def made(width: int = 4, **card: Any) -> Checkpoint:
    torch.manual_seed(width)
    state = build_segmenter("deepcrack", {"width": width}, pretrained=False).state_dict()
    fields = {
        "segmenter": "deepcrack",
        "options": {"width": width},
        "size": 64,
        "weights": hash_state_dict(state),
        "settings": {"rate": 1e-3, "patience": None},
        "data": {"primary": "röads", "images": 3, "contents": ["sha256:1"], "held_out": []},
        "history": ({"epoch": 1, "loss": 0.1 + 0.2, "ods": None, "threshold": None},),
        "threshold": 0.43,
    }
    return Checkpoint(CheckpointCard(**{**fields, **card}), state)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return made().save(tmp_path / "m.safetensors")


def test_saved_and_loaded_it_is_the_same(file: Path) -> None:
    before, found = made(), Checkpoint.load(file)
    assert found.card.to_dict() | {"provenance": 0} == before.card.to_dict() | {"provenance": 0}
    assert isinstance(found.card.history, tuple)
    assert type(found.card.provenance) is type(before.card.provenance)
    assert list(found.state) == sorted(before.state)
    for name, value in before.state.items():
        assert torch.equal(found.state[name], value)
        assert found.state[name].dtype == value.dtype
    assert repr(found) == "Checkpoint of deepcrack, 64 px, trained on 3 images of röads"


def test_a_file_is_written_whole_or_not_at_all(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()

    def full(path: Path, data: bytes) -> None:
        with path.open("wb") as opened:
            opened.write(data[:99])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="disk full"):
        made(width=6).save(file)
    assert file.read_bytes() == before
    assert [one.name for one in file.parent.iterdir()] == [file.name]


class Trap:
    """Pickled, it leaves a file behind when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


def test_nothing_is_executed(tmp_path: Path) -> None:
    for file in (tmp_path / "m.safetensors", tmp_path / "m.pth"):
        torch.save({"state_dict": Trap(tmp_path / "trapped")}, file)
        line(file, InputError, "must be a .safetensors file that howfar train wrote")
        file.write_bytes(pickle.dumps(Trap(tmp_path / "trapped")))
        line(file, InputError, "must be a .safetensors file that howfar train wrote")
    assert not (tmp_path / "trapped").exists()


def line(file: Path, kind: type[HowfarError], words: str) -> None:
    with pytest.raises(kind) as caught:
        Checkpoint.load(file)
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def rewritten(file: Path, change: Callable[[dict[str, Any]], Any] | str) -> None:
    """The same weights beside another description."""
    with safe_open(file, framework="pt") as opened:
        document, state = json.loads(opened.metadata()[KEY]), {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    text = change if isinstance(change, str) else json.dumps(change(document) or document)
    save_file(state, file, {KEY: text})


@pytest.mark.parametrize("keep", [0, 4, 100, -100])
def test_a_file_cut_short(keep: int, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    line(file, InputError, "must be a .safetensors file that howfar train wrote")


def test_weights_of_no_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors"
    for metadata in (None, {"format": "pt"}, {KEY: ""}):
        save_file(dict(made().state), file, metadata)
        line(file, InputError, "must hold what howfar train wrote beside the weights")


def test_tampered_weights(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    line(file, StoreError, "is damaged: its weights are not those that it names")
    rewritten(made().save(file), lambda document: {**document, "weights": "sha256:0"})
    line(file, StoreError, "is damaged: its weights are not those that it names")


@pytest.mark.parametrize(
    "change",
    [
        "no json",
        "3",
        lambda document: document.pop("format") and document,
        lambda document: document.pop("history") and document,
        lambda document: document.pop("segmenter") and document,
        lambda document: {**document, "surplus": 1},
        lambda document: {**document, "provenance": None},
    ],
)
def test_a_description_that_cannot_be_read(change: Any, file: Path) -> None:
    rewritten(file, change)
    line(file, StoreError, "is damaged: its description cannot be read")


def test_a_network_that_is_not_registered_or_does_not_fit() -> None:
    with pytest.raises(HowfarError, match="resnet"):
        made(segmenter="resnet").build()
    with pytest.raises(InputError, match="weights do not fit the network: the checkpoint has another shape for"):
        made(options={"width": 6}).build()
    with pytest.raises(InputError, match="option must be one of deepcrack, got 'depth'"):
        made(options={"depth": 6}).build()
