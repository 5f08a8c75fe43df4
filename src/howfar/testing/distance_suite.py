"""What every distance must keep: a suite that a distance's own test class inherits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

import numpy as np
import pytest

from howfar.arrays import Float64Array
from howfar.errors import InputError

AnyDistance: TypeAlias = Callable[..., Any]

_COLUMNS = 25
_MALFORMED: dict[str, Any] = {
    "one axis": [1.0, 2.0, 3.0],
    "three axes": [[[1.0]]],
    "no rows": np.empty((0, 3)),
    "no columns": np.empty((4, 0)),
    "NaN": [[0.0, np.nan, 0.0]] * 12,
    "infinity": [[0.0, np.inf, 0.0]] * 12,
    "text": [["a", "b", "c"]] * 12,
    "ragged": [[1.0, 2.0, 3.0], [1.0]],
}


class DistanceTests:
    """Conformance suite of an image distance, (m, z), (n, z) -> (m,), or a dataset distance, (m, z), (n, z) -> float.

    Subclass it in a test file under a name that pytest collects, set `distance`, and say by the other attributes what
    the distance does not promise. Every test is then inherited.

    Attributes
    ----------
    distance
        The distance itself, wrapped: ``distance = staticmethod(knn)``.
    per_image
        True for an image distance, False for a dataset distance.
    signed
        It may be negative (an unbiased estimate).
    zero_on_itself
        A dataset's distance from itself is 0; dataset distances only.
    symmetric
        S from P is as far as P from S; dataset distances only.
    translation_invariant
        Moving S and P together changes nothing.
    least_images
        Fewest images of S and of P that it is defined for; fewer must be refused with an `InputError`.
    needs_spread
        It refuses a P whose images are all equal, with an `InputError`.
    tolerance
        Relative rounding that a change of order, place or route may leave.

    Examples
    --------
    >>> from howfar.distances import image_to_dataset
    >>> class TestImageToDataset(DistanceTests):
    ...     distance = staticmethod(image_to_dataset)
    ...     per_image = True
    """

    distance: AnyDistance
    per_image: ClassVar[bool] = True
    signed: ClassVar[bool] = False
    zero_on_itself: ClassVar[bool] = False
    symmetric: ClassVar[bool] = False
    translation_invariant: ClassVar[bool] = True
    least_images: ClassVar[tuple[int, int]] = (1, 1)
    needs_spread: ClassVar[bool] = False
    tolerance: ClassVar[float] = 1e-9

    def measured(self, s: Any, p: Any) -> Float64Array:
        """The distance as an array: (m,) for an image distance, (1,) for a dataset distance."""
        return np.atleast_1d(np.asarray(self.distance(s, p), dtype=np.float64))

    def sets(self, m: int = 17, n: int = 40, z: int = _COLUMNS) -> tuple[Float64Array, Float64Array]:
        """S and P, different Gaussian clouds, the same at every call."""
        rng = np.random.default_rng([m, n, z])
        return rng.normal(0.5, 1.5, size=(m, z)), rng.normal(size=(n, z))

    def assert_close(self, found: Float64Array, wanted: Float64Array, scale: float = 0.0) -> None:
        """Equal within `tolerance` of the larger of the wanted values and `scale`."""
        slack = self.tolerance * max(scale, float(np.abs(wanted).max()))
        np.testing.assert_allclose(found, wanted, rtol=0.0, atol=slack)

    def test_shape_and_type(self) -> None:
        """An image distance gives one float64 number an image of S, a dataset distance one float."""
        s, p = self.sets()
        found = self.distance(s, p)
        if self.per_image:
            assert isinstance(found, np.ndarray), f"an image distance returns an array, not {type(found).__name__}"
            assert (found.shape, found.dtype) == ((len(s),), np.float64), f"got {found.shape} {found.dtype}"
        else:
            assert isinstance(found, float), f"a dataset distance returns a float, not {type(found).__name__}"

    @pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_finite_and_not_negative(self, offset: float, dtype: type) -> None:
        """Neither a large common offset nor single precision brings NaN, or a negative distance unless `signed`."""
        s, p = self.sets()
        found = self.measured((s + offset).astype(dtype), (p + offset).astype(dtype))
        assert np.isfinite(found).all(), "NaN or infinity"
        assert self.signed or (found >= 0.0).all(), f"negative: {found.min()}"

    @pytest.mark.parametrize(
        "kind", ["fewer images than columns", "constant columns", "repeated rows", "one line", "tiny", "huge"]
    )
    def test_finite_for_degenerate_sets(self, kind: str) -> None:
        """Few images, constant columns, repeated rows, and very small or large numbers are measured all the same."""
        s, p = self.sets(*((17, 40) if kind != "fewer images than columns" else np.maximum(self.least_images, 8)))
        if kind == "constant columns":
            s[:, 3:], p[:, 3:] = 7.0, 7.0
        elif kind == "repeated rows":
            s[:], p[:] = p[:1], np.tile(p[:4], (10, 1))
        elif kind == "one line":
            s[:], p[:] = s[:, :1], p[:, :1]
        elif kind in ("tiny", "huge"):
            s, p = (x * (1e-12 if kind == "tiny" else 1e12) for x in (s, p))
        found = self.measured(s, p)
        assert np.isfinite(found).all(), f"NaN or infinity with {kind}"
        assert self.signed or (found >= 0.0).all(), f"negative with {kind}: {found.min()}"

    def test_equal_images_throughout(self) -> None:
        """Where all images are one and the same the distance is 0, or refused if it `needs_spread`."""
        s, p = np.full((12, 3), 0.1), np.full((15, 3), 0.1)
        if self.needs_spread:
            with pytest.raises(InputError):
                self.distance(s, p)
        else:
            np.testing.assert_allclose(self.measured(s, p), 0.0, atol=1e-12)

    def test_fewest_images(self) -> None:
        """It works from `least_images` on and refuses fewer."""
        m, n = self.least_images
        assert np.isfinite(self.measured(*self.sets(m, n, 3))).all(), f"not finite for {m} and {n} images"
        for fewer in ((m - 1, 12), (12, n - 1)):
            if 0 not in fewer:
                with pytest.raises(InputError):
                    self.distance(*self.sets(*fewer, 3))

    def test_order_of_rows(self) -> None:
        """The order of P does not count; the order of S only moves an image's distance to its place."""
        s, p = self.sets()
        rng = np.random.default_rng(1)
        of_s, of_p = rng.permutation(len(s)), rng.permutation(len(p))
        whole = self.measured(s, p)
        self.assert_close(self.measured(s, p[of_p]), whole)
        self.assert_close(self.measured(s[of_s], p), whole[of_s] if self.per_image else whole)

    def test_images_do_not_affect_each_other(self) -> None:
        """The distance of an image does not depend on which others are measured with it."""
        s, p = self.sets()
        if self.per_image:
            alone = np.concatenate([self.measured(s[i : i + 1], p) for i in range(len(s))])
            self.assert_close(alone, self.measured(s, p))
            twice = self.measured(np.concatenate([s, s]), p)
            self.assert_close(twice[: len(s)], twice[len(s) :])

    def test_itself(self) -> None:
        """A dataset and itself are measured; at 0 if it is `zero_on_itself`."""
        s, p = self.sets()
        own, apart = self.measured(p, p), self.measured(s, p)
        assert np.isfinite(own).all(), "NaN or infinity between a dataset and itself"
        if self.zero_on_itself:
            self.assert_close(own, np.zeros(1), scale=float(apart[0]))

    def test_symmetry(self) -> None:
        """S from P is as far as P from S if it is `symmetric`."""
        s, p = self.sets()
        if self.symmetric:
            self.assert_close(self.measured(p, s), self.measured(s, p))

    def test_translation(self) -> None:
        """Moving both sets by the same vector changes nothing if it is `translation_invariant`."""
        s, p = self.sets()
        if self.translation_invariant:
            self.assert_close(self.measured(s + 64.0, p + 64.0), self.measured(s, p))

    def test_grows_with_distance(self) -> None:
        """A copy of P that is moved farther is farther."""
        _, p = self.sets()
        near, far = (float(self.measured(p + step, p).mean()) for step in (0.25, 2.0))
        assert near < far, f"a set moved by 2 is at {far}, one moved by 0.25 at {near}"

    def test_again(self) -> None:
        """A second call gives the same bits."""
        s, p = self.sets()
        np.testing.assert_array_equal(self.measured(s, p), self.measured(s, p))

    def test_arrays_are_left_alone(self) -> None:
        """Arrays that cannot be written, as a store maps them, are taken and stay as they are."""
        s, p = self.sets()
        kept = s.copy(), p.copy()
        s.setflags(write=False)
        p.setflags(write=False)
        self.distance(s, p)
        np.testing.assert_array_equal(s, kept[0])
        np.testing.assert_array_equal(p, kept[1])

    def test_number_types(self) -> None:
        """Lists, integers, half and single precision and odd memory layouts give what float64 gives."""
        s, p = (np.round(8.0 * x) for x in self.sets())
        whole = self.measured(s, p)
        for kind in (np.float32, np.float16, np.int64):
            self.assert_close(self.measured(s.astype(kind), p.astype(kind)), whole)
        self.assert_close(self.measured(s.astype(np.float32), p), whole)
        self.assert_close(self.measured(s.tolist(), p.tolist()), whole)
        self.assert_close(self.measured(np.asfortranarray(s), p[::-1][::-1]), whole)

    @pytest.mark.parametrize("kind", sorted(_MALFORMED))
    def test_malformed_input_is_refused(self, kind: str) -> None:
        """What is not a finite table of numbers is refused, on either side, with an `InputError`."""
        good = self.sets(12, 12, 3)[0]
        for s, p in ((_MALFORMED[kind], good), (good, _MALFORMED[kind])):
            with pytest.raises(InputError):
                self.distance(s, p)

    def test_widths_that_differ_are_refused(self) -> None:
        """S and P from different spaces are refused with an `InputError`."""
        with pytest.raises(InputError, match="columns"):
            self.distance(np.zeros((12, 3)), np.ones((12, 4)))
