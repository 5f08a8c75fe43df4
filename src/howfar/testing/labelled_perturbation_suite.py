"""Test the contract of a perturbation of images with masks, by a suite that any package's test class can inherit."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.perturb.perturbation import Foreground, Pixels

_TINY = ((1, 1), (3, 2), (2, 5), (1, 9))


class LabelledPerturbationTests:
    """Check what every `howfar.perturb.LabelledPerturbation` must keep.

    Subclass it in a test file under a name that pytest collects and set `perturbation`. Every test is then inherited.

    Attributes
    ----------
    perturbation
        The perturbation.
    moves_mask
        The mask follows the image; else it must stay as it is.
    continuous
        A strength near 0 changes values by little.

    Examples
    --------
    >>> from howfar.perturb.corruptions import MOSAIC
    >>> class TestMosaic(LabelledPerturbationTests):
    ...     perturbation = MOSAIC
    ...     moves_mask = True
    """

    perturbation: Any
    moves_mask: ClassVar[bool] = False
    continuous: ClassVar[bool] = True

    def example(self, height: int = 48, width: int = 64) -> tuple[Pixels, Foreground]:
        """Draw an image with a dark band of foreground, the same at every call."""
        rng = np.random.default_rng([height, width])
        mask = np.zeros((height, width), np.bool_)
        mask[height // 3 : height // 3 + max(1, height // 8)] = True
        values = rng.integers(90, 200, (height, width, 3))
        return np.where(mask[..., None], values // 3, values).astype(np.uint8), mask

    def others(self) -> list[Pixels]:
        """Draw other images, of other sizes."""
        rng = np.random.default_rng(7)
        return [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in ((20, 90), (70, 30), (1, 1))]

    def changed(self, pixels: Pixels, mask: Foreground, strength: float, **given: Any) -> tuple[Pixels, Foreground]:
        """Perturb an image, with the other images at hand."""
        pair: tuple[Pixels, Foreground] = self.perturbation(pixels, mask, strength, **{"others": self.others(), **given})
        return pair

    def test_its_name(self) -> None:
        """Check that a perturbation has a name that can be typed, says what its strength is, and has strengths in its range."""
        assert self.perturbation.name.isidentifier(), f"{self.perturbation.name!r} is no plain name"
        assert self.perturbation.meaning, "`meaning` says nothing"
        assert self.perturbation.strengths, "no strength stands for it"
        for strength in self.perturbation.strengths:
            assert strength != 0, "0 is the image as it is"
            self.perturbation.check(strength)

    def test_shape_and_type(self) -> None:
        """Check that at each strength image and mask keep shapes and types, and the image changes."""
        pixels, mask = self.example()
        for strength in self.perturbation.strengths:
            image, foreground = self.changed(pixels, mask, strength)
            assert (image.shape, image.dtype) == (pixels.shape, pixels.dtype)
            assert (foreground.shape, foreground.dtype) == (mask.shape, mask.dtype)
            assert (image != pixels).any(), f"nothing changes at {strength}"
            if not self.moves_mask:
                np.testing.assert_array_equal(foreground, mask)

    def test_strength_0_changes_nothing(self) -> None:
        """Check that strength 0 gives the image and its mask, as new arrays."""
        pixels, mask = self.example()
        image, foreground = self.changed(pixels, mask, 0.0)
        np.testing.assert_array_equal(image, pixels)
        np.testing.assert_array_equal(foreground, mask)
        assert not np.shares_memory(image, pixels)
        assert not np.shares_memory(foreground, mask)

    def test_a_strength_near_0(self) -> None:
        """Check that a hardly perceptible strength gives nearly the image, if the perturbation is `continuous`."""
        pixels, mask = self.example()
        if self.continuous:
            image, foreground = self.changed(pixels, mask, 1e-4)
            assert np.abs(image.astype(int) - pixels).mean() < 1.0
            np.testing.assert_array_equal(foreground, mask)

    def test_the_seed_decides(self) -> None:
        """Check that what is drawn depends on the image and the seed alone."""
        pixels, mask = self.example()
        strength = self.perturbation.strengths[-1]
        for first, second in zip(
            self.changed(pixels, mask, strength), self.changed(pixels.copy(), mask, strength), strict=True
        ):
            np.testing.assert_array_equal(first, second)
        self.changed(pixels, mask, strength, seed=1)

    def test_a_blank_mask_stays_blank(self) -> None:
        """Check that an image without foreground gets none."""
        pixels, mask = self.example()
        for strength in self.perturbation.strengths:
            assert not self.changed(pixels, np.zeros_like(mask), strength)[1].any()

    def test_foreground_everywhere(self) -> None:
        """Check that an image that is all foreground stays so."""
        pixels, mask = self.example()
        for strength in self.perturbation.strengths:
            assert self.changed(pixels, np.ones_like(mask), strength)[1].all()

    @pytest.mark.parametrize("size", _TINY)
    def test_tiny_images(self, size: tuple[int, int]) -> None:
        """Check that images of a few pixels are taken, with any mask."""
        pixels, mask = self.example(*size)
        for marks in (mask, np.zeros_like(mask), np.ones_like(mask)):
            for strength in self.perturbation.strengths:
                image, foreground = self.changed(pixels, marks, strength)
                assert (image.shape, foreground.shape) == (pixels.shape, mask.shape)

    def test_grey_and_plain_images(self) -> None:
        """Check that an image of equal channels, and one of a single colour, are taken."""
        pixels, mask = self.example()
        grey = np.repeat(pixels[..., :1], 3, axis=2)
        for image in (grey, np.zeros_like(pixels), np.full_like(pixels, 255)):
            for strength in self.perturbation.strengths:
                assert self.changed(image, mask, strength)[0].shape == pixels.shape

    def test_arrays_are_left_alone(self) -> None:
        """Check that read-only arrays are accepted and not changed."""
        pixels, mask = self.example()
        before = pixels.copy(), mask.copy()
        pixels.setflags(write=False)
        mask.setflags(write=False)
        self.changed(pixels, mask, self.perturbation.strengths[-1])
        np.testing.assert_array_equal(pixels, before[0])
        np.testing.assert_array_equal(mask, before[1])

    def test_malformed_input_is_refused(self) -> None:
        """Check that other shapes and types, a strength out of range, and no other image where one is needed are refused."""
        pixels, mask = self.example()
        strength = self.perturbation.strengths[0]
        wrong: list[tuple[Any, Any, float]] = [
            (pixels[..., 0], mask, strength),
            (pixels / 255, mask, strength),
            (pixels, mask[1:], strength),
            (pixels, mask.astype(np.uint8), strength),
            (pixels, mask, float("nan")),
            (pixels, mask, self.perturbation.high + 1),
            (pixels, mask, self.perturbation.low - 1),
        ]
        for image, foreground, dial in wrong:
            with pytest.raises(InputError):
                self.changed(image, foreground, dial)
        if self.perturbation.needs_others:
            with pytest.raises(InputError):
                self.changed(pixels, mask, strength, others=())
