"""Fading, inpainting, mosaics, crops, textures and amplitudes, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.perturb import labelled_named
from howfar.perturb.corruptions import inpaint, resize

rng = np.random.default_rng(0)


def road(height: int = 96, width: int = 128, line: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Grain on a slope of light, with a dark upright line."""
    slope = np.linspace(90, 160, width)[None, :, None]
    pixels = np.clip(slope + rng.normal(0, 6, (height, width, 3)), 0, 255)
    mask = np.zeros((height, width), bool)
    mask[:, width // 2 - line // 2 : width // 2 + line // 2] = True
    pixels[mask] *= 0.3
    return pixels.astype(np.uint8), mask


def test_inpainting_continues_light_and_grain_and_leaves_the_rest() -> None:
    pixels, mask = road()
    filled = inpaint(pixels, mask).astype(float)
    near = np.zeros_like(mask)
    near[:, 58:70] = True
    np.testing.assert_array_equal(filled[~near], pixels[~near])
    wanted = np.linspace(90, 160, 128)[None, :, None]
    assert np.abs((filled - wanted)[mask].mean()) < 2.0
    grain = (filled - wanted)[mask].std()
    assert 4.0 < grain < 8.0


def test_inpainting_without_a_background_gives_the_mean_colour_and_without_a_hole_the_image() -> None:
    pixels, mask = road()
    np.testing.assert_array_equal(inpaint(pixels, np.zeros_like(mask)), pixels)
    plain = inpaint(pixels, np.ones_like(mask))
    np.testing.assert_array_equal(plain[0, 0], np.rint(pixels.mean(axis=(0, 1), dtype=np.float32)))
    assert np.ptp(plain, axis=(0, 1)).max() == 0


@pytest.mark.parametrize("strength", [0.3, 0.5, 0.8, 1.0])
def test_fading_takes_the_stated_share_of_the_contrast(strength: float) -> None:
    pixels, mask = road()
    background = inpaint(pixels, mask).astype(float)
    faded, foreground = labelled_named("fade")(pixels, mask, strength)
    before, after = (np.abs(background - image)[mask].mean() for image in (pixels, faded))
    assert after == pytest.approx((1 - strength) * before, abs=0.6)
    np.testing.assert_array_equal(foreground, mask)


@pytest.mark.parametrize(("strength", "copies"), [(1.0, 2), (2.0, 3), (3.0, 4)])
def test_a_mosaic_keeps_the_share_of_foreground_and_mirrors(strength: float, copies: int) -> None:
    pixels, mask = road(96, 144, line=24)
    image, foreground = labelled_named("mosaic")(pixels, mask, strength)
    assert foreground.mean() == pytest.approx(mask.mean(), rel=0.02)
    height, width = 96 // copies, 144 // copies
    for array in (image, foreground):
        np.testing.assert_array_equal(array[:height, width : 2 * width], array[:height, :width][:, ::-1])
        np.testing.assert_array_equal(array[height : 2 * height], array[:height][::-1])
    # The mask is where the dark line is.
    assert image[foreground].mean() < 0.6 * image[~foreground].mean()


def test_shrinking_keeps_thin_lines_whole() -> None:
    mask = np.zeros((90, 90), bool)
    mask[np.arange(90), np.arange(90)] = True
    small = resize(np.zeros((90, 90, 3), np.uint8), mask, 30, 30)[1]
    assert small[np.arange(30), np.arange(30)].all()
    line = np.zeros((90, 90), bool)
    line[:, 41] = True
    assert resize(np.zeros((90, 90, 3), np.uint8), line, 30, 30)[1].sum(axis=1).tolist() == [1] * 30


def test_a_fractional_mosaic_fills_the_frame() -> None:
    pixels, mask = road(50, 70)
    image, foreground = labelled_named("mosaic")(pixels, mask, 0.7)
    assert image.shape == pixels.shape
    assert foreground.any()


def test_enlarging_shows_foreground_twice_as_wide() -> None:
    pixels, mask = road(line=8)
    image, foreground = labelled_named("enlarge")(pixels, mask, 1.0)
    assert foreground.any(axis=1).all()
    assert np.median(foreground.sum(axis=1)) == pytest.approx(16, abs=1)
    assert image[foreground].mean() < 0.6 * image[~foreground].mean()


def test_an_enlarged_part_depends_on_the_seed() -> None:
    pixels, mask = road()
    images = [labelled_named("enlarge")(pixels, mask, 1.0, seed=seed)[0] for seed in range(4)]
    assert any((image != images[0]).any() for image in images[1:])


def test_tones_follow_their_formulas() -> None:
    pixels, mask = road()
    values = pixels.astype(float)
    for name, strength, wanted in (
        ("darken", 0.4, 0.6 * values),
        ("contrast", 0.75, 0.25 * values + 0.75 * values.mean(axis=(0, 1))),
        ("gamma", 1.0, 255 * (values / 255) ** 2),
        ("gamma", -1.0, 255 * (values / 255) ** 0.5),
        ("invert", 1.0, 255 - values),
    ):
        changed = labelled_named(name)(pixels, mask, strength)[0]
        assert np.abs(changed - wanted).max() <= 0.5 + 1e-6, name


def test_texture_is_the_stated_mixture_of_a_part_of_another_image() -> None:
    pixels, mask = road(16, 16)
    other = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
    mixed = labelled_named("texture")(pixels, mask, 0.3, others=[other])[0]
    assert np.abs(mixed - (0.7 * pixels + 0.3 * other)).max() <= 0.5 + 1e-6


def test_fourier_takes_the_low_amplitudes_of_the_other_image_and_keeps_phases() -> None:
    pixels = rng.integers(100, 156, (64, 64, 3)).astype(np.uint8)
    other = (rng.integers(0, 56, (64, 64, 3)) + np.linspace(60, 120, 64)[:, None, None]).astype(np.uint8)
    mask = np.zeros((64, 64), bool)
    changed = labelled_named("fourier")(pixels, mask, 0.05, others=[other])[0]
    spectra = [np.fft.fft2(image[..., 0].astype(float)) for image in (pixels, other, changed)]
    near = np.abs(np.fft.fftfreq(64, 1 / 64)) <= 3
    low = np.outer(near, near)
    # Rounding to bytes leaves about 64 · 0.3 on each amplitude.
    np.testing.assert_allclose(np.abs(spectra[2])[low], np.abs(spectra[1])[low], atol=80)
    np.testing.assert_allclose(np.abs(spectra[2])[~low], np.abs(spectra[0])[~low], atol=80)
    strong = low & (np.abs(spectra[1]) > 2000)
    turned = np.angle(spectra[2][strong] * np.conj(spectra[0][strong]))
    assert np.abs(turned).max() < 0.1
