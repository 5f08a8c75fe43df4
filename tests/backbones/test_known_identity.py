"""A backbone whose identity an earlier run left is not built, and any doubt builds it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from howfar import registry
from howfar.backbones import as_backbone, known_backbone, load_backbone
from howfar.backbones.family import BackboneFamily, Card, Options, Origin
from howfar.backbones.known_identity import FOLDER, KnownBackbone, one_torch_thread_each
from howfar.backbones.transformers import folder_origin
from howfar.errors import InputError, MissingPathError, StoreError
from howfar.pipeline import embed
from howfar.store import local_root

PICTURE = Image.new("RGB", (8, 8), (10, 20, 30))
built: list[str] = []


@dataclass(frozen=True)
class Scaling:
    """Multiply the mean colour by a number that its file of weights holds."""

    weights: Path
    layers: tuple[int, ...] = (3,)
    batch_size: int = 7
    name: str = "scaling"

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"name": "scaling", "weights": self.weights.read_text()}

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        return np.asarray(image, dtype=np.float32).mean(axis=(0, 1))

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(batch, dtype=np.float32) * np.float32(self.weights.read_text())


def _build(options: Options) -> Scaling:
    assert options.weights is not None
    built.append(options.weights.read_text())
    return Scaling(options.weights)


FAMILY = BackboneFamily(
    Card("scaling", 3, "RGB", "a number", "–", "for tests"),
    _build,
    takes=("weights", "device", "fit"),
    origin=lambda options: Origin((options.weights,), ("numpy",)) if options.weights else None,
)


def save(path: Path, seed: int = 0) -> Path:
    """An ONNX file of one convolution, its tensor beside it."""
    weight = np.random.default_rng(seed).normal(size=(4, 3, 3, 3)).astype(np.float32)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", ["b", 3, 8, 8]), ("y", None))
    ]
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "net", ends[:1], ends[1:], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save_model(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=0)
    return path


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: FAMILY if name == "scaling" else load(kind, name))
    built.clear()
    file = tmp_path / "weights.txt"
    file.write_text("2.0")
    return file


def record() -> Path:
    (file,) = (local_root() / FOLDER).iterdir()
    return file


def test_the_second_time_it_is_built_when_it_embeds(weights: Path) -> None:
    first = known_backbone("scaling", weights=weights)
    again = known_backbone("scaling", weights=weights)
    assert built == ["2.0"]
    assert (again.name, again.layers, again.identity) == (first.name, first.layers, first.identity)
    assert isinstance(again, KnownBackbone)
    assert again.batch_size == 7
    np.testing.assert_array_equal(again.embed(again.prepare(PICTURE)[None]), first.embed(first.prepare(PICTURE)[None]))
    assert built == ["2.0", "2.0"]


def test_other_options_are_another_backbone(weights: Path) -> None:
    known_backbone("scaling", weights=weights)
    known_backbone("scaling", weights=weights, fit="crop")
    assert len(built) == 2


def test_weights_that_changed_are_read_though_size_and_time_are_the_same(weights: Path) -> None:
    known_backbone("scaling", weights=weights)
    stamp = weights.stat()
    weights.write_text("3.0")
    os.utime(weights, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert weights.stat().st_mtime_ns == stamp.st_mtime_ns
    assert known_backbone("scaling", weights=weights).identity["weights"] == "3.0"
    assert built == ["2.0", "3.0"]


def test_weights_that_are_replaced_while_it_is_built_leave_no_record(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(options: Options) -> Scaling:
        weights.write_text("3.0")
        return _build(options)

    load = registry.load
    other = BackboneFamily(FAMILY.card, build, takes=FAMILY.takes, origin=FAMILY.origin)
    monkeypatch.setattr(registry, "load", lambda kind, name: other if name == "scaling" else load(kind, name))
    assert known_backbone("scaling", weights=weights).identity["weights"] == "3.0"
    assert not (local_root() / FOLDER).exists() or not list((local_root() / FOLDER).iterdir())


def test_tensors_of_an_onnx_file_are_read_whatever_the_length_of_their_files_name(tmp_path: Path) -> None:
    found = []
    for seed in (0, 1):
        file = save(tmp_path / f"{'n' * 140}.onnx", seed)
        found.append((known_backbone(f"onnx:{file}").identity["weights"], file.read_bytes()))
        # A file of tensors that is there already would be added to.
        (tmp_path / f"{file.name}.data").unlink()
    assert found[0][1] == found[1][1]
    assert found[0][0] != found[1][0]


def test_a_folder_whose_index_names_weights_elsewhere_is_always_built(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    options = Options(model=str(tmp_path))
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors"}}))
    assert folder_origin(options) is not None
    for text in (json.dumps({"weight_map": {"a": "sub/model-1.safetensors"}}), json.dumps({"weight_map": [1]}), "{"):
        index.write_text(text)
        assert folder_origin(options) is None


def test_weights_that_are_gone_are_told_at_once(weights: Path) -> None:
    known_backbone("scaling", weights=weights)
    weights.unlink()
    with pytest.raises(MissingPathError, match="weights must be a file"):
        known_backbone("scaling", weights=weights)


def test_another_version_of_a_library_builds(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known_backbone("scaling", weights=weights)
    monkeypatch.setattr(metadata, "version", lambda package: "99")
    known_backbone("scaling", weights=weights)
    assert len(built) == 2


def test_other_code_builds(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known_backbone("scaling", weights=weights)
    monkeypatch.setattr("howfar.backbones.known_identity.code_stamp", lambda *_: "another")
    known_backbone("scaling", weights=weights)
    assert len(built) == 2


def _other_identity(text: str) -> str:
    return text.replace(
        '"identity": {"name": "scaling", "weights": "2.0"}', '"identity": {"name": "scaling", "weights": "9.9"}'
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[" * 100_000,
        lambda text: json.dumps([1]),
        lambda text: json.dumps({"body": 3, "checksum": "0"}),
        _other_identity,
        lambda text: text + " " * (1 << 20),
    ],
)
def test_a_damaged_record_builds_and_is_mended(weights: Path, damage: Callable[[str], str]) -> None:
    known_backbone("scaling", weights=weights)
    whole = record().read_text()
    assert damage(whole) != whole
    record().write_text(damage(whole))
    assert known_backbone("scaling", weights=weights).identity == {"name": "scaling", "weights": "2.0"}
    assert built == ["2.0", "2.0"]
    assert record().read_text() == whole


def test_a_record_under_another_ones_name_builds(weights: Path) -> None:
    known_backbone("scaling", weights=weights)
    whole = record().read_text()
    record().unlink()
    weights.write_text("3.0")
    known_backbone("scaling", weights=weights)
    record().write_text(whole)
    assert known_backbone("scaling", weights=weights).identity["weights"] == "3.0"


def test_a_network_that_is_another_than_its_record_says_is_refused_once(weights: Path) -> None:
    known_backbone("scaling", weights=weights)
    known = known_backbone("scaling", weights=weights)
    weights.write_text("3.0")
    with pytest.raises(StoreError, match=r"scaling is another network than .* run the same command again"):
        known.prepare(PICTURE)
    assert known_backbone("scaling", weights=weights).identity["weights"] == "3.0"


def test_a_named_gpu_is_looked_for(weights: Path) -> None:
    known_backbone("scaling", weights=weights, device="cuda:1")
    known_backbone("scaling", weights=weights, device="cuda:1")
    assert len(built) == 2


def test_pickled_it_is_the_backbone_itself(weights: Path) -> None:
    known_backbone("scaling", weights=weights)
    assert pickle.loads(pickle.dumps(known_backbone("scaling", weights=weights))) == Scaling(weights)


def test_a_disk_that_takes_no_record_changes_nothing(weights: Path) -> None:
    local_root().mkdir(parents=True)
    (local_root() / FOLDER).write_text("no folder")
    for _ in range(2):
        assert known_backbone("scaling", weights=weights).identity["weights"] == "2.0"
    assert len(built) == 2


def test_features_by_a_known_backbone_are_those_of_the_loaded_one(tmp_path: Path) -> None:
    pictures = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (30, 40, 3), dtype=np.uint8)) for i in range(3)]
    file = save(tmp_path / "net.onnx")
    known_backbone(f"onnx:{file}")
    known = known_backbone(f"onnx:{file}")
    assert isinstance(known, KnownBackbone)
    loaded = load_backbone(f"onnx:{file}")
    views = [embed(pictures, backbone, tmp_path / str(i), progress=False) for i, backbone in enumerate((known, loaded))]
    np.testing.assert_array_equal(views[0].to_array(), views[1].to_array())
    assert views[0].identity == views[1].identity


def test_tensors_beside_a_model_are_among_its_files(tmp_path: Path) -> None:
    file = save(tmp_path / "net.onnx")
    first = as_backbone(f"onnx:{file}")
    beside = tmp_path / "net.onnx.data"
    data = bytearray(beside.read_bytes())
    data[-1] ^= 1
    beside.write_bytes(data)
    assert as_backbone(f"onnx:{file}").identity["weights"] != first.identity["weights"]


def test_options_are_checked_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pixels takes no pool"):
        known_backbone("pixels", pool=False)


def test_one_in_every_new_thread_and_put_back() -> None:
    before = torch.get_num_threads()
    seen: list[int] = []
    try:
        torch.set_num_threads(2)
        with one_torch_thread_each():
            worker = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
            worker.start()
            worker.join()
            seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 1, 2]


def test_put_back_after_a_failure() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyError), one_torch_thread_each():
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_torch_is_not_loaded_for_it() -> None:
    code = (
        "import sys\n"
        "from howfar.backbones.known_identity import one_torch_thread_each\n"
        "with one_torch_thread_each():\n"
        "    pass\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_torch_that_is_loaded_within_has_one_thread_too() -> None:
    code = (
        "import sys, threading\n"
        "from howfar.backbones.known_identity import limit_loaded_later, one_torch_thread_each\n"
        "limit_loaded_later()\n"
        "assert 'torch' not in sys.modules\n"
        "with one_torch_thread_each():\n"
        "    worker = threading.Thread(target=limit_loaded_later)\n"
        "    worker.start(); worker.join()\n"
        "    import torch\n"
        "    assert torch.get_num_threads() == 1\n"
        "assert torch.get_num_threads() == 2, torch.get_num_threads()"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
    )
