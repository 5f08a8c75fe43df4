"""Images become a backbone's input by resizing, cropping and padding, and by perturbations."""

import pytest
from PIL import Image

from howfar.backbones.preprocessing import Preprocess, as_rgb


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
