"""Test the contract of a performance metric, by a suite that any package's test class can inherit."""

import pickle
from typing import Any, ClassVar

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.metrics.metric_interface import MetricScore


class MetricTests:
    """Check what every `howfar.metrics.Metric` must keep.

    Subclass it in a test file under a name that pytest collects, set `metric`, write `example` and `perfect`, and declare by
    the other attributes which properties the metric has. Every test is then inherited.

    Attributes
    ----------
    metric
        The metric.
    malformed
        Pairs of prediction and truth that must be refused with an `InputError`.
    independent
        An image's performance does not depend on the others that are scored with it.
    largest_tally
        Bytes that a pickled tally may take, whatever the image's size.

    Examples
    --------
    >>> from howfar.metrics import CLASSIFICATION
    >>> class TestClassification(MetricTests):
    ...     metric = CLASSIFICATION
    ...     malformed = ((0.5, 0),)
    ...     def example(self, rng):
    ...         return int(rng.integers(0, 3)), int(rng.integers(0, 3))
    ...     def perfect(self, truth):
    ...         return truth
    """

    metric: Any
    malformed: ClassVar[tuple[tuple[Any, Any], ...]]
    independent: ClassVar[bool] = True
    largest_tally: ClassVar[int] = 8192

    def example(self, rng: np.random.Generator) -> tuple[Any, Any]:
        """Draw one image's prediction and truth, for which the metric gives a performance."""
        raise NotImplementedError

    def perfect(self, truth: Any) -> Any:
        """Give the best prediction of a truth."""
        raise NotImplementedError

    def examples(self, count: int = 12) -> list[tuple[Any, Any]]:
        """Draw predictions and truths of several images, the same at every call."""
        rng = np.random.default_rng(count)
        return [self.example(rng) for _ in range(count)]

    def tallies(self, count: int = 12) -> list[Any]:
        """Tally the images of `examples`."""
        return [self.metric.tally(prediction, truth) for prediction, truth in self.examples(count)]

    def test_its_name(self) -> None:
        assert isinstance(self.metric.name, str), f"a name is a str, not {type(self.metric.name).__name__}"
        assert self.metric.name.isidentifier(), f"{self.metric.name!r} is no plain name"

    def test_shape_and_type(self) -> None:
        score = self.metric.score(self.tallies())
        assert isinstance(score, MetricScore), f"a MetricScore, not {type(score).__name__}"
        assert score.metric, "`metric` says nothing"
        assert score.scores, "no score"
        assert all(isinstance(value, float) for value in score.scores.values()), f"scores are floats: {score.scores}"
        for name, values in {"per_image": score.per_image, **score.columns}.items():
            assert values.shape == (12,), f"{name}: {values.shape}"
            assert values.dtype == np.float64, f"{name}: {values.dtype}"

    def test_performance_lies_between_0_and_1(self) -> None:
        per_image = self.metric.score(self.tallies(40)).per_image
        assert ((per_image >= 0.0) & (per_image <= 1.0)).all(), per_image
        assert np.ptp(per_image) > 0.0, "the examples cannot tell good predictions from bad"

    def test_perfect_predictions(self) -> None:
        truths = [truth for _, truth in self.examples()]
        best = self.metric.score([self.metric.tally(self.perfect(truth), truth) for truth in truths])
        np.testing.assert_array_equal(best.per_image, 1.0)
        assert self.metric.score(self.tallies()).per_image.mean() < 1.0, "the examples are perfect"

    def test_order_of_images(self) -> None:
        tallies = self.tallies()
        order = np.random.default_rng(1).permutation(len(tallies))
        whole, moved = self.metric.score(tallies), self.metric.score([tallies[k] for k in order])
        assert moved.scores == pytest.approx(whole.scores, rel=1e-9, nan_ok=True)
        np.testing.assert_array_equal(moved.per_image, whole.per_image[order])
        for name, values in whole.columns.items():
            np.testing.assert_array_equal(moved.columns[name], values[order])

    def test_images_do_not_affect_each_other(self) -> None:
        tallies = self.tallies()
        if self.independent:
            alone = np.concatenate([self.metric.score([tally]).per_image for tally in tallies])
            np.testing.assert_array_equal(alone, self.metric.score(tallies).per_image)

    def test_one_image(self) -> None:
        assert self.metric.score(self.tallies(1)).per_image.shape == (1,)

    def test_tallies_travel(self) -> None:
        tallies = self.tallies()
        pickled = [pickle.dumps(tally) for tally in tallies]
        largest = max(map(len, pickled))
        assert largest <= self.largest_tally, f"{largest} bytes"
        score, restored = self.metric.score(tallies), self.metric.score([pickle.loads(data) for data in pickled])
        assert restored.scores == pytest.approx(score.scores, rel=0, abs=0, nan_ok=True)
        np.testing.assert_array_equal(restored.per_image, score.per_image)

    def test_the_metric_travels(self) -> None:
        restored, (prediction, truth) = pickle.loads(pickle.dumps(self.metric)), self.examples(1)[0]
        scores = [metric.score([metric.tally(prediction, truth)]).per_image for metric in (restored, self.metric)]
        np.testing.assert_array_equal(*scores)

    def test_a_generator_of_tallies(self) -> None:
        tallies = self.tallies()
        generated = self.metric.score(tally for tally in tallies)
        np.testing.assert_array_equal(generated.per_image, self.metric.score(tallies).per_image)

    def test_again(self) -> None:
        first, second = (self.metric.score(self.tallies()) for _ in range(2))
        assert first.scores == pytest.approx(second.scores, rel=0, abs=0, nan_ok=True)
        np.testing.assert_array_equal(first.per_image, second.per_image)

    def test_arrays_are_left_alone(self) -> None:
        for prediction, truth in self.examples(3):
            before = pickle.dumps((prediction, truth))
            for array in _arrays((prediction, truth)):
                array.setflags(write=False)
            self.metric.score([self.metric.tally(prediction, truth)])
            assert pickle.dumps((prediction, truth)) == before

    def test_malformed_input_is_refused(self) -> None:
        assert self.malformed, "name at least one pair that must be refused"
        for prediction, truth in self.malformed:
            with pytest.raises(InputError):
                self.metric.tally(prediction, truth)

    def test_no_image_is_refused(self) -> None:
        with pytest.raises(InputError):
            self.metric.score([])


def _arrays(x: Any) -> list[np.ndarray[Any, Any]]:
    """List every array in nested tuples and mappings."""
    if isinstance(x, np.ndarray):
        return [x]
    if isinstance(x, dict):
        return [array for value in x.values() for array in _arrays(value)]
    return [array for value in x for array in _arrays(value)] if isinstance(x, tuple | list) else []
