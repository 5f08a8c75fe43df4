from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from howfar.errors import InputError
from howfar.weights.state_dicts import hash_state_dict, read_state_dict


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


def test_hash_of_scalars_and_bfloat16() -> None:
    assert hash_state_dict({"n": torch.tensor(3)}) != hash_state_dict({"n": torch.tensor(4)})
    assert hash_state_dict({"n": torch.ones(1, dtype=torch.bfloat16)}).startswith("sha256:")
