"""Weights are read from files and the hub without running code; onnxruntime is loaded without a word on the terminal."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from howfar.errors import InputError, MissingExtraError
from howfar.weights import published
from howfar.weights.onnx_files import import_onnxruntime, open_session
from howfar.weights.state_dicts import dtype_of, hash_state_dict, read_state_dict
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


@pytest.mark.parametrize("content", [{}, [torch.zeros(1)], {"epoch": 3}, {"state_dict": {}}, torch.zeros(2)])
def test_files_of_something_else(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(InputError, match="must hold tensors by name and nothing else"):
        read_state_dict(tmp_path / "w.pth")


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
    monkeypatch.setattr(published, "getproxies", dict)
    return tmp_path


def no_name(*args: object) -> None:
    raise socket.gaierror(-2, "Name or service not known")


def test_why_the_hub_is_out_of_reach(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://hub.example:8080")
    assert published.why_unreachable("a/b", ("model.safetensors",)) == "hub.example: Name or service not known"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert published.why_unreachable("a/b", ("model.safetensors",)) == "HF_HUB_OFFLINE is set"
    # A cached file needs no hub.
    (cache / "model.safetensors").write_bytes(b"")
    put_into_cache(cache / "cache", "a/b", cache)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache / "cache"))
    assert published.why_unreachable("a/b", ("pytorch_model.bin", "model.safetensors")) is None
    assert published.why_unreachable("a/b", ("pytorch_model.bin",)) == "HF_HUB_OFFLINE is set"


CPU = torch.device("cpu")


@pytest.mark.parametrize(("name", "rule"), [("64", "must be one of 32, bf16, fp16"), ("fp16", "must be 32 or bf16 on a CPU")])
def test_other_types_are_refused(name: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        dtype_of(name, CPU)


# onnxruntime is loaded and run without a word of its own on the user's terminal

LOUD = """
import os
os.write(2, b"a banner of the library\\n")
severity = []
set_default_logger_severity = severity.append
"""


def test_what_it_prints_while_it_is_loaded_is_not_seen(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text(LOUD, encoding="utf-8")
    code = "from howfar.weights.onnx_files import import_onnxruntime as load; print(load('it').severity)"
    code += "; import os; os.write(2, b'still there')"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"], capture_output=True
    )
    assert (done.stdout, done.stderr) == (b"[4]\n", b"still there")


def test_an_error_that_it_raises_is_not_printed_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "damaged.onnx").write_bytes(b"no network")
    with pytest.raises(Exception, match="failed"):
        open_session("it", tmp_path / "damaged.onnx", ["CPUExecutionProvider"])
    assert capfd.readouterr().err == ""


def test_where_it_is_absent_the_line_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="it needs onnxruntime: pip install onnxruntime"):
        import_onnxruntime("it")
