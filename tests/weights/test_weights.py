"""Weights are read from files and the hub without running code; onnxruntime is loaded without a word on the terminal."""

import socket
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from howfar.errors import InputError, MissingExtraError
from howfar.weights import hub_downloads
from howfar.weights.onnx_network import import_onnxruntime
from howfar.weights.state_dicts import hash_state_dict, read_state_dict
from worlds.hub import put_into_cache


class Trap:
    ran = False

    def __reduce__(self) -> tuple[object, ...]:
        return (setattr, (Trap, "ran", True))


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1), "trap": Trap()}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="must hold tensors by name and nothing else") as caught:
        read_state_dict(tmp_path / "w.pth")
    assert not Trap.ran
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04" + bytes(50)])
def test_damaged_files(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"^weights must .* pass a \.safetensors file") as caught:
        read_state_dict(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_both_formats_read_alike(tmp_path: Path) -> None:
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(4), "c": torch.ones(2, dtype=torch.bfloat16)}
    torch.save(state, tmp_path / "w.pth")
    save_file(state, tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        found = read_state_dict(tmp_path / name)
        assert found.keys() == state.keys()
        assert all(torch.equal(found[key], state[key]) for key in state)


def test_hash_sees_everything() -> None:
    base = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
    others = [
        {**base, "a": torch.zeros(3, 2)},
        {**base, "a": torch.zeros(2, 3, dtype=torch.int32)},
        {**base, "b": torch.ones(1) + 2**-23},
        {"a": base["a"], "c": base["b"]},
        {"a": base["a"]},
    ]
    assert len({hash_state_dict(state) for state in [base, *others]}) == 6
    # Layout in memory is not content.
    square = torch.arange(4.0).reshape(2, 2)
    assert hash_state_dict({"a": square.t().contiguous().t()}) == hash_state_dict({"a": square})
    assert hash_state_dict({"a": square[:, 0]}) == hash_state_dict({"a": torch.tensor([0.0, 2.0])})


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub_downloads, "getproxies", dict)
    return tmp_path


def no_name(*args: object) -> None:
    raise socket.gaierror(-2, "Name or service not known")


def test_why_the_hub_is_out_of_reach(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://hub.example:8080")
    assert hub_downloads.why_unreachable("a/b", ("model.safetensors",)) == "hub.example: Name or service not known"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert hub_downloads.why_unreachable("a/b", ("model.safetensors",)) == "HF_HUB_OFFLINE is set"
    # A cached file needs no hub.
    (cache / "model.safetensors").write_bytes(b"")
    put_into_cache(cache / "cache", "a/b", cache)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache / "cache"))
    assert hub_downloads.why_unreachable("a/b", ("pytorch_model.bin", "model.safetensors")) is None
    assert hub_downloads.why_unreachable("a/b", ("pytorch_model.bin",)) == "HF_HUB_OFFLINE is set"


def test_where_it_is_absent_the_line_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="it needs onnxruntime: pip install onnxruntime"):
        import_onnxruntime("it")
