"""What every perturbation of images with masks must keep."""

from __future__ import annotations

import numpy as np
import pytest

from howfar import registry
from howfar.errors import InputError
from howfar.perturb import labelled_every, labelled_named
from howfar.perturb.perturbation import KIND

EVERY = [labelled_named(name) for name in registry.OURS[KIND]]
every = pytest.mark.parametrize("perturbation", EVERY, ids=lambda each: each.name)


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


@every
def test_name_and_strengths(perturbation):
    assert perturbation.name.isidentifier()
    assert perturbation.meaning
    assert perturbation.strengths
    for strength in perturbation.strengths:
        assert strength != 0, "0 is the image as it is"
        perturbation.check(strength)


@every
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


@every
def test_the_image_changes_and_the_mask_only_where_things_move(perturbation):
    pixels, mask = example()
    for strength in perturbation.strengths:
        image, foreground = changed(perturbation, pixels, mask, strength)
        assert (image != pixels).any(), f"nothing changes at {strength}"
        assert perturbation.name in ("enlarge", "mosaic") or (foreground == mask).all()


@every
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


@every
def test_the_seed_decides_and_arrays_are_left_alone(perturbation):
    pixels, mask = example()
    before = pixels.copy(), mask.copy()
    pixels.setflags(write=False)
    mask.setflags(write=False)
    first, second = (changed(perturbation, pixels, mask, perturbation.strengths[-1]) for _ in range(2))
    for one, again in zip((*first, pixels, mask), (*second, *before), strict=True):
        np.testing.assert_array_equal(one, again)


@every
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


@pytest.mark.parametrize("name", labelled_every())
def test_registered_names_are_their_own(name: str) -> None:
    assert labelled_named(name).name == name


def test_what_is_random_depends_on_the_seed() -> None:
    pixels, mask = np.full((32, 32, 3), 128, np.uint8), np.zeros((32, 32), bool)
    noise = labelled_named("noise")
    one, again, other = (noise(pixels, mask, 0.1, seed=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).mean() > 0.5


def test_labels_tell_strength_or_factor() -> None:
    assert [labelled_named("mosaic").label(strength) for strength in (0.5, 2)] == ["mosaic 1.5×", "mosaic 3×"]
    assert labelled_named("gamma").label(-1.0) == "gamma -1"
