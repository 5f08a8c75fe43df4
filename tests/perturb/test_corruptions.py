"""The corruptions of appendix D, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from howfar.errors import UnknownNameError
from howfar.perturb import every, named
from howfar.perturb.corruptions import gaussian_blur, gaussian_noise, scaled_brightness

rng = np.random.default_rng(0)
PHOTOGRAPH = rng.integers(0, 256, (96, 128, 3)).astype(np.uint8)


def test_brightness_is_multiplied_and_clipped() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    for factor in (0.7, 1.3):
        wanted = np.minimum(np.rint(values.astype(np.float64) * factor), 255)
        np.testing.assert_array_equal(scaled_brightness(factor)(values), wanted)


def test_blur_agrees_with_pillow_at_the_reference_size() -> None:
    pixels = rng.integers(0, 256, (448, 448, 3)).astype(np.uint8)
    ours = gaussian_blur(2.0)(pixels).astype(float)
    theirs = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2.0))).astype(float)
    # Pillow's Gaussian is three box filters.
    assert np.abs(ours - theirs)[8:-8, 8:-8].mean() < 1.5
    assert ours.std() == pytest.approx(theirs.std(), rel=0.06)


def test_blur_is_as_wide_as_it_would_be_after_resizing() -> None:
    """Blurring a large image then shrinking it gives what shrinking then blurring gives."""
    smooth = np.asarray(
        Image.fromarray(rng.integers(0, 256, (56, 56, 3)).astype(np.uint8)).resize((896, 448), Image.Resampling.BICUBIC)
    )

    def small(pixels: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(pixels).resize((448, 448), Image.Resampling.BOX)).astype(float)

    assert np.abs(small(gaussian_blur()(smooth)) - gaussian_blur()(small(smooth).astype(np.uint8))).mean() < 1.0


def test_noise_has_the_stated_deviation_and_depends_on_pixels_and_seed_alone() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = gaussian_noise(0.1)
    assert (noise(grey).astype(float) - 128).std() == pytest.approx(25.5, rel=0.02)
    np.testing.assert_array_equal(noise(grey), noise(grey.copy()))
    assert (noise(grey) != noise(grey, seed=1)).mean() > 0.9
    other = grey.copy()
    other[0, 0, 0] = 127
    assert (noise(grey) != noise(other)).mean() > 0.9


@pytest.mark.parametrize("name", every())
def test_every_perturbation_keeps_shape_and_kind_and_changes_something(name: str) -> None:
    before = PHOTOGRAPH.copy()
    changed = named(name)(PHOTOGRAPH)
    assert changed.shape == PHOTOGRAPH.shape
    assert changed.dtype == np.uint8
    assert (changed != PHOTOGRAPH).mean() > 0.3
    np.testing.assert_array_equal(PHOTOGRAPH, before)
    assert named(name).name == name


def test_an_unknown_name_is_one_line() -> None:
    with pytest.raises(UnknownNameError, match=r"no perturbations named 'blurr'; known: .*; did you mean 'blur'\?"):
        named("blurr")
