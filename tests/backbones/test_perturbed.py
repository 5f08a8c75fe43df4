"""A backbone whose input is perturbed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import howfar
from howfar.backbones import load_backbone
from howfar.backbones.preprocessing import PerturbedBackbone
from howfar.perturb import named


def test_it_embeds_what_the_backbone_embeds_of_perturbed_pictures() -> None:
    plain = load_backbone("colour_moments")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 40, 3)).astype(np.uint8))
    darker = PerturbedBackbone(plain, named("darker"))
    wanted = plain.embed(plain.prepare(Image.fromarray(named("darker")(np.asarray(picture))))[None])
    np.testing.assert_array_equal(darker.embed(darker.prepare(picture)[None]), wanted)


def test_its_features_lie_beside_the_plain_ones_in_a_store(demo_folders: list[Path], tmp_path: Path) -> None:
    plain = load_backbone("colour_moments")
    views = [plain, *(PerturbedBackbone(plain, named(name)) for name in ("darker", "brighter"))]
    folder = demo_folders[1]
    first = [howfar.embed(folder, view, store=tmp_path, progress=False).to_array() for view in views]
    again = [howfar.embed(folder, view, store=tmp_path, progress=False).to_array() for view in views]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len({array.tobytes() for array in first}) == 3
    assert first[1][:, :3].mean() < first[0][:, :3].mean() < first[2][:, :3].mean()


def test_optional_members_are_the_backbones_own() -> None:
    class Movable:
        name, layers, identity, batch_size = "movable", (1,), {"name": "movable"}, 7

        def on(self, device: str) -> Movable:
            moved = Movable()
            moved.name = device
            return moved

    wrapped = PerturbedBackbone(Movable(), named("blur"))  # type: ignore[arg-type]  # what is not asked for is left out
    assert wrapped.batch_size == 7
    assert wrapped.on("cuda").name == "cuda of blur"
    assert not hasattr(wrapped, "busy")
    with pytest.raises(AttributeError):
        _ = wrapped.layer_names
