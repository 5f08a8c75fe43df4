import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from howfar.backbones import inference_engines as engines
from howfar.backbones.preprocessing import Preprocess
from howfar.store import local_root
from worlds.small_backbone import SIZE, pictures, small


def two_ways(network: Any, batch: Tensor) -> list[Tensor]:
    # The first picture, with which it is exported, is blank and goes the other way.
    return [torch.stack([network.first(one[None])[0] * (1 if one.std() > 0.3 else -1) for one in batch])]


def other_shape(network: Any, batch: Tensor) -> list[Tensor]:
    # As one that treats a single picture apart.
    return [network.first(batch).sum(0, keepdim=True)]


def no_number(network: Any, batch: Tensor) -> list[Tensor]:
    return [network.first(batch) * float("nan")]


def unknown_to_onnx(network: Any, batch: Tensor) -> list[Tensor]:
    return [torch.linalg.svdvals(network.first(batch))]


def exported() -> list[Path]:
    return sorted((local_root() / engines.FOLDER).glob("*"))


def test_features_are_torchs() -> None:
    fast, slow = small(), small(engine="torch")
    assert fast.engine == "not yet chosen"
    batch = pictures()
    expected = slow.embed(batch)
    found = fast.embed(batch)
    assert (fast.engine, slow.engine) == ("onnxruntime", "torch")
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()
    assert fast.identity == slow.identity


@pytest.mark.parametrize(
    "options", [{"seed": 1}, {"preprocess": Preprocess(SIZE, fit="crop")}, {"mean": (0.0,) * 3}, {"std": (1.0,) * 3}]
)
def test_another_network_has_another_file(options: dict[str, Any]) -> None:
    small().embed(pictures())
    small(**options).embed(pictures())
    assert len(exported()) == 2


@pytest.mark.parametrize("damage", [b"", b"no model", None])
def test_a_file_that_is_wrong_is_made_anew(damage: bytes | None) -> None:
    small().embed(pictures())
    (file,) = exported()
    good = file.read_bytes()
    if damage is None:
        small(seed=1).embed(pictures())
        (other,) = [one for one in exported() if one != file]
        damage = other.read_bytes()
    file.write_bytes(damage)
    network = small()
    expected = small(engine="torch").embed(pictures())
    np.testing.assert_allclose(network.embed(pictures()), expected, atol=1e-5)
    assert network.engine == "onnxruntime"
    assert file.read_bytes() == good


@pytest.mark.parametrize("feature", [two_ways, other_shape, no_number, unknown_to_onnx])
def test_torch_goes_on_where_the_features_differ(feature, caplog, capfd):
    network = small(feature)
    batch = np.concatenate([np.zeros((1, *SIZE, 3), dtype=np.uint8), pictures()])
    expected = small(feature, engine="torch").embed(batch)
    with caplog.at_level(logging.WARNING, "howfar"):
        np.testing.assert_array_equal(network.embed(batch), expected)
        np.testing.assert_array_equal(network.embed(batch), expected)
    assert network.engine == "torch"
    said = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert said == ["small is run by torch alone, which is slower"]
    # JSON goes to stdout, and nothing else.
    assert capfd.readouterr().out == ""
