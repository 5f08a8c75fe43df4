"""Images become a backbone's input by resizing, cropping and padding, and by perturbations."""

import numpy as np
import pytest
from PIL import Image

from howfar.backbones import load_backbone
from howfar.backbones.preprocessing import PerturbedBackbone, Preprocess, as_rgb
from howfar.errors import ImageError
from howfar.perturb import named


def ramp(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards, by whole levels."""
    values = np.zeros((height, width, 3), np.uint8)
    values[..., 0] = np.linspace(0, 255, width).round()
    values[..., 1] = np.linspace(0, 255, height).round()[:, None]
    return Image.fromarray(values)


def test_pad_keeps_the_whole_picture() -> None:
    found = Preprocess((60, 60), fit="pad", fill=(1, 2, 3))(ramp(300, 100))
    assert (found[:20] == (1, 2, 3)).all()
    assert (found[40:] == (1, 2, 3)).all()
    np.testing.assert_array_equal(found[20:40], np.asarray(ramp(300, 100).resize((60, 20), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 1000), (1000, 5), (1023, 7), (333, 1)])
@pytest.mark.parametrize("via", [None, 448])
def test_every_size_is_prepared(fit: str, size: tuple[int, int], via: int | None) -> None:
    preprocess = Preprocess((33, 57), fit=fit, via=via, fill=(9, 8, 7))  # type: ignore[arg-type]  # a parameter
    found = preprocess(Image.new("RGB", size, (9, 8, 7)))
    assert found.shape == (33, 57, 3)
    assert (found == (9, 8, 7)).all()


def test_transparency_is_laid_on_white_as_in_a_file() -> None:
    palette = Image.new("RGB", (2, 1), (10, 20, 30)).quantize(4)
    palette.info["transparency"] = b"\x00\xff"
    assert as_rgb(palette).getpixel((0, 0)) == (255, 255, 255)
    assert as_rgb(Image.new("RGBA", (1, 1), (10, 20, 30, 0))).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["I", "F", "I;16", "LAB"])
def test_other_modes_are_refused(mode: str) -> None:
    with pytest.raises(ImageError, match=f"mode {mode} is not 8 bits a channel"):
        Preprocess((8, 8))(Image.new(mode, (2, 2)))


# A backbone whose input is perturbed


def test_it_embeds_what_the_backbone_embeds_of_perturbed_pictures() -> None:
    plain = load_backbone("colour_moments")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 40, 3)).astype(np.uint8))
    darker = PerturbedBackbone(plain, named("darker"))
    wanted = plain.embed(plain.prepare(Image.fromarray(named("darker")(np.asarray(picture))))[None])
    np.testing.assert_array_equal(darker.embed(darker.prepare(picture)[None]), wanted)


def test_optional_members_are_the_backbones_own() -> None:
    class Movable:
        name, layers, identity, batch_size = "movable", (1,), {"name": "movable"}, 7

        def on(self, device: str) -> "Movable":
            moved = Movable()
            moved.name = device
            return moved

    wrapped = PerturbedBackbone(Movable(), named("blur"))  # type: ignore[arg-type]  # what is not asked for is left out
    assert wrapped.batch_size == 7
    assert wrapped.on("cuda").name == "cuda of blur"
    assert not hasattr(wrapped, "busy")
    with pytest.raises(AttributeError):
        _ = wrapped.layer_names
