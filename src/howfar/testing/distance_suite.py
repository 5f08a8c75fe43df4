"""Define `DistanceTests`, a pytest class that a plug-in inherits to test its distance of images or datasets."""

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
    """Check what every image distance, (m, z), (n, z) -> (m,), or dataset distance, (m, z), (n, z) -> float, must keep.

    Subclass it in a test file under a name that pytest collects, set `distance`, and declare by the other attributes which
    properties the distance has. Every test is then inherited. P is the primary dataset, S the secondary one.

    `distance` is wrapped, as ``distance = staticmethod(knn)``; `per_image` is True for an image distance. A `signed`
    distance may be negative (an unbiased estimate). For dataset distances, `zero_on_itself` says that a dataset is at 0
    from itself, and `symmetric` that S is as far from P as P from S. Moving S and P together changes nothing if it is
    `translation_invariant`. Fewer than `least_images` of S and of P, and with `needs_spread` a P whose images are all
    equal, must raise an `InputError`. `tolerance` is the relative rounding error that a change of order or of computation
    may leave.

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
        """Measure the distance as an array: (m,) for an image distance, (1,) for a dataset distance."""
        return np.atleast_1d(np.asarray(self.distance(s, p), dtype=np.float64))

    def sets(self, m: int = 17, n: int = 40, z: int = _COLUMNS) -> tuple[Float64Array, Float64Array]:
        """Draw S and P from different Gaussians, the same at every call."""
        rng = np.random.default_rng([m, n, z])
        return rng.normal(0.5, 1.5, size=(m, z)), rng.normal(size=(n, z))

    def assert_close(self, measured: Float64Array, expected: Float64Array, scale: float = 0.0) -> None:
        """Check equality within `tolerance` of the larger of the expected values and `scale`."""
        slack = self.tolerance * max(scale, float(np.abs(expected).max()))
        np.testing.assert_allclose(measured, expected, rtol=0.0, atol=slack)

    def test_shape_and_type(self) -> None:
        """Check that an image distance gives one float64 number for each secondary image, a dataset distance one float."""
        s, p = self.sets()
        distance = self.distance(s, p)
        if self.per_image:
            assert isinstance(distance, np.ndarray), f"an image distance returns an array, not {type(distance).__name__}"
            assert (distance.shape, distance.dtype) == ((len(s),), np.float64), f"got {distance.shape} {distance.dtype}"
        else:
            assert isinstance(distance, float), f"a dataset distance returns a float, not {type(distance).__name__}"

    @pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_finite_and_not_negative(self, offset: float, dtype: type) -> None:
        """Check that neither a large common offset nor single precision gives NaN, or a negative distance unless `signed`."""
        s, p = self.sets()
        distances = self.measured((s + offset).astype(dtype), (p + offset).astype(dtype))
        assert np.isfinite(distances).all(), "NaN or infinity"
        assert self.signed or (distances >= 0.0).all(), f"negative: {distances.min()}"

    @pytest.mark.parametrize(
        "kind", ["fewer images than columns", "constant columns", "repeated rows", "one line", "tiny", "huge"]
    )
    def test_finite_for_degenerate_sets(self, kind: str) -> None:
        """Check that few images, constant columns, repeated rows, and very small or large numbers give finite distances."""
        s, p = self.sets(*((17, 40) if kind != "fewer images than columns" else np.maximum(self.least_images, 8)))
        if kind == "constant columns":
            s[:, 3:], p[:, 3:] = 7.0, 7.0
        elif kind == "repeated rows":
            s[:], p[:] = p[:1], np.tile(p[:4], (10, 1))
        elif kind == "one line":
            s[:], p[:] = s[:, :1], p[:, :1]
        elif kind in ("tiny", "huge"):
            s, p = (x * (1e-12 if kind == "tiny" else 1e12) for x in (s, p))
        distances = self.measured(s, p)
        assert np.isfinite(distances).all(), f"NaN or infinity with {kind}"
        assert self.signed or (distances >= 0.0).all(), f"negative with {kind}: {distances.min()}"

    def test_equal_images_throughout(self) -> None:
        """Check that where all images are equal the distance is 0, or refused if it `needs_spread`."""
        s, p = np.full((12, 3), 0.1), np.full((15, 3), 0.1)
        if self.needs_spread:
            with pytest.raises(InputError):
                self.distance(s, p)
        else:
            np.testing.assert_allclose(self.measured(s, p), 0.0, atol=1e-12)

    def test_fewest_images(self) -> None:
        """Check that the distance is defined from `least_images` on, and fewer are refused."""
        m, n = self.least_images
        assert np.isfinite(self.measured(*self.sets(m, n, 3))).all(), f"not finite for {m} and {n} images"
        for fewer in ((m - 1, 12), (12, n - 1)):
            if 0 not in fewer:
                with pytest.raises(InputError):
                    self.distance(*self.sets(*fewer, 3))

    def test_order_of_rows(self) -> None:
        """Check that the primary images' order does not change distances, and the secondary ones' only changes their order."""
        s, p = self.sets()
        rng = np.random.default_rng(1)
        s_order, p_order = rng.permutation(len(s)), rng.permutation(len(p))
        distances = self.measured(s, p)
        self.assert_close(self.measured(s, p[p_order]), distances)
        self.assert_close(self.measured(s[s_order], p), distances[s_order] if self.per_image else distances)

    def test_images_do_not_affect_each_other(self) -> None:
        """Check that the distance of an image does not depend on the others that are measured with it."""
        s, p = self.sets()
        if self.per_image:
            alone = np.concatenate([self.measured(s[i : i + 1], p) for i in range(len(s))])
            self.assert_close(alone, self.measured(s, p))
            twice = self.measured(np.concatenate([s, s]), p)
            self.assert_close(twice[: len(s)], twice[len(s) :])

    def test_claims(self) -> None:
        """Check that a dataset is at a finite distance from itself, and what is said of 0, symmetry and translation."""
        s, p = self.sets()
        own, other = self.measured(p, p), self.measured(s, p)
        assert np.isfinite(own).all(), "NaN or infinity between a dataset and itself"
        if self.zero_on_itself:
            self.assert_close(own, np.zeros(1), scale=float(other[0]))
        if self.symmetric:
            self.assert_close(self.measured(p, s), other)
        if self.translation_invariant:
            self.assert_close(self.measured(s + 64.0, p + 64.0), other)

    def test_grows_with_distance(self) -> None:
        """Check that a copy of the primary dataset that is moved farther has a larger distance."""
        _, p = self.sets()
        near, far = (float(self.measured(p + step, p).mean()) for step in (0.25, 2.0))
        assert near < far, f"a set moved by 2 is at {far}, one moved by 0.25 at {near}"

    def test_again(self) -> None:
        """Check that a second call gives the same bits, and that read-only arrays are accepted and not changed."""
        s, p = self.sets()
        before = s.copy(), p.copy()
        s.setflags(write=False)
        p.setflags(write=False)
        np.testing.assert_array_equal(self.measured(s, p), self.measured(s, p))
        np.testing.assert_array_equal(s, before[0])
        np.testing.assert_array_equal(p, before[1])

    def test_number_types(self) -> None:
        """Check that lists, integers, half and single precision and odd memory layouts give the distances of float64."""
        s, p = (np.round(8.0 * x) for x in self.sets())
        distances = self.measured(s, p)
        for kind in (np.float32, np.float16, np.int64):
            self.assert_close(self.measured(s.astype(kind), p.astype(kind)), distances)
        self.assert_close(self.measured(s.astype(np.float32), p), distances)
        self.assert_close(self.measured(s.tolist(), p.tolist()), distances)
        self.assert_close(self.measured(np.asfortranarray(s), p[::-1][::-1]), distances)

    @pytest.mark.parametrize("kind", sorted(_MALFORMED))
    def test_malformed_input_is_refused(self, kind: str) -> None:
        """Check that anything but a finite table of numbers, on either side, and other widths raise an `InputError`."""
        good = self.sets(12, 12, 3)[0]
        for s, p in ((_MALFORMED[kind], good), (good, _MALFORMED[kind])):
            with pytest.raises(InputError):
                self.distance(s, p)
        with pytest.raises(InputError, match="columns"):
            self.distance(good, np.ones((12, 4)))
