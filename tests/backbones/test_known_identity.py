"""A backbone whose identity an earlier run left is not built, and any doubt builds it."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from howfar import registry
from howfar.backbones.backbone_family import BackboneFamily, Card, Options, Origin
from howfar.backbones.backbone_loading import FOLDER, KnownBackbone, known_backbone
from howfar.errors import StoreError
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


def test_another_option_version_or_code_builds(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known_backbone("scaling", weights=weights)
    known_backbone("scaling", weights=weights, fit="crop")
    # A named GPU is looked for each time.
    known_backbone("scaling", weights=weights, device="cuda:1")
    known_backbone("scaling", weights=weights, device="cuda:1")
    assert len(built) == 4
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", lambda package: "99")
        known_backbone("scaling", weights=weights)
    monkeypatch.setattr("howfar.backbones.backbone_loading.code_stamp", lambda *_: "another")
    known_backbone("scaling", weights=weights)
    assert len(built) == 6


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
        lambda text: json.dumps({"made_of": 3, "seal": "0"}),
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


def test_a_network_that_is_another_than_its_record_says_is_refused_once(weights: Path) -> None:
    known_backbone("scaling", weights=weights)
    known = known_backbone("scaling", weights=weights)
    weights.write_text("3.0")
    with pytest.raises(StoreError, match=r"scaling is another network than .* run the same command again"):
        known.prepare(PICTURE)
    assert known_backbone("scaling", weights=weights).identity["weights"] == "3.0"
