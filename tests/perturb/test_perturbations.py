"""The changes of images, alone and with their masks: what each must keep, and what its definition says."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from howfar import registry
from howfar.errors import InputError
from howfar.perturb import every, labelled_named, named
from howfar.perturb.image_and_mask_changes import inpaint
from howfar.perturb.perturbation import KIND

rng = np.random.default_rng(0)
PHOTOGRAPH = rng.integers(0, 256, (96, 128, 3)).astype(np.uint8)


def test_brightness_is_multiplied_and_clipped() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    for name, factor in (("darker", 0.7), ("brighter", 1.3)):
        wanted = np.minimum(np.rint(values.astype(np.float64) * factor), 255)
        np.testing.assert_array_equal(named(name)(values), wanted)


def test_blur_agrees_with_pillow_at_the_reference_size() -> None:
    pixels = rng.integers(0, 256, (448, 448, 3)).astype(np.uint8)
    ours = named("blur")(pixels).astype(float)
    theirs = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2.0))).astype(float)
    # Pillow's Gaussian is three box filters.
    assert np.abs(ours - theirs)[8:-8, 8:-8].mean() < 1.5
    assert ours.std() == pytest.approx(theirs.std(), rel=0.06)


def test_noise_has_the_stated_deviation_and_depends_on_pixels_and_seed_alone() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = named("noise")
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


EVERY = [labelled_named(name) for name in registry.OURS[KIND]]
each_labelled = pytest.mark.parametrize("perturbation", EVERY, ids=lambda each: each.name)


def example(height=48, width=64):
    """An image with a dark band of foreground, and its mask."""
    rng = np.random.default_rng([height, width])
    mask = np.zeros((height, width), bool)
    mask[height // 3 : height // 3 + max(1, height // 8)] = True
    values = rng.integers(90, 200, (height, width, 3))
    return np.where(mask[..., None], values // 3, values).astype(np.uint8), mask


def changed(perturbation, pixels, mask, strength, **options):
    rng = np.random.default_rng(7)
    others = [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in ((20, 90), (70, 30), (1, 1))]
    return perturbation(pixels, mask, strength, **{"others": others, **options})


@each_labelled
def test_name_and_strengths(perturbation):
    assert labelled_named(perturbation.name) is perturbation
    assert perturbation.meaning
    assert perturbation.strengths
    for strength in perturbation.strengths:
        assert strength != 0, "0 is the image as it is"
        perturbation.check(strength)


@each_labelled
@pytest.mark.parametrize("size", [(48, 64), (1, 1), (3, 2), (2, 5), (1, 9)], ids=str)
def test_any_image_and_mask_keep_their_shapes_and_types(perturbation, size):
    pixels, mask = example(*size)
    grey = np.repeat(pixels[..., :1], 3, axis=2)
    for strength in perturbation.strengths:
        for image in (pixels, grey, np.zeros_like(pixels), np.full_like(pixels, 255)):
            for marks in (mask, np.zeros_like(mask), np.ones_like(mask)):
                result, foreground = changed(perturbation, image, marks, strength)
                assert (result.shape, result.dtype) == (image.shape, image.dtype)
                assert (foreground.shape, foreground.dtype) == (mask.shape, mask.dtype)
                if marks.all() or not marks.any():
                    assert (foreground == marks[0, 0]).all(), "a mask of one value keeps it"


@each_labelled
def test_the_image_changes_and_the_mask_only_where_things_move(perturbation):
    pixels, mask = example()
    for strength in perturbation.strengths:
        image, foreground = changed(perturbation, pixels, mask, strength)
        assert (image != pixels).any(), f"nothing changes at {strength}"
        assert perturbation.name in ("enlarge", "mosaic") or (foreground == mask).all()


@each_labelled
def test_strength_0_changes_nothing_and_a_small_one_little(perturbation):
    pixels, mask = example()
    image, foreground = changed(perturbation, pixels, mask, 0.0)
    np.testing.assert_array_equal(image, pixels)
    np.testing.assert_array_equal(foreground, mask)
    assert not np.shares_memory(image, pixels)
    assert not np.shares_memory(foreground, mask)
    # The lowest frequencies are another image's from the smallest strength on.
    if perturbation.name != "fourier":
        image, foreground = changed(perturbation, pixels, mask, 1e-4)
        assert np.abs(image.astype(int) - pixels).mean() < 1.0
        np.testing.assert_array_equal(foreground, mask)


@each_labelled
def test_the_seed_decides_and_arrays_are_left_alone(perturbation):
    pixels, mask = example()
    before = pixels.copy(), mask.copy()
    pixels.setflags(write=False)
    mask.setflags(write=False)
    first, second = (changed(perturbation, pixels, mask, perturbation.strengths[-1]) for _ in range(2))
    for one, again in zip((*first, pixels, mask), (*second, *before), strict=True):
        np.testing.assert_array_equal(one, again)


@each_labelled
def test_malformed_input_is_refused(perturbation):
    pixels, mask = example()
    strength = perturbation.strengths[0]
    wrong = [
        (pixels[..., 0], mask, strength),
        (pixels / 255, mask, strength),
        (pixels, mask[1:], strength),
        (pixels, mask.astype(np.uint8), strength),
        (pixels, mask, float("nan")),
        (pixels, mask, perturbation.high + 1),
        (pixels, mask, perturbation.low - 1),
    ]
    for image, foreground, dial in wrong:
        with pytest.raises(InputError):
            changed(perturbation, image, foreground, dial)
    if perturbation.needs_others:
        with pytest.raises(InputError):
            changed(perturbation, pixels, mask, strength, others=())


def test_labels_tell_strength_or_factor() -> None:
    assert [labelled_named("mosaic").label(strength) for strength in (0.5, 2)] == ["mosaic 1.5×", "mosaic 3×"]
    assert labelled_named("gamma").label(-1.0) == "gamma -1"
