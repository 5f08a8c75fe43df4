"""Classification as scikit-learn and torchmetrics score it; a classifier's signals against formulas written out."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score
from torch import tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from howfar.errors import InputError
from howfar.metrics import CLASSIFICATION, MetricScore, tallies
from howfar.metrics.classification import class_signals, mano_shares, nuclear_norm_shares


def scored(predictions: Any, truths: Any) -> MetricScore:
    return CLASSIFICATION.score(tallies(CLASSIFICATION, predictions, truths))


def test_probabilities_as_scikit_learn_and_torchmetrics(rng: np.random.Generator) -> None:
    """Seven classes of which the last two are never true, and the last never predicted."""
    p = rng.dirichlet(np.ones(7) * 0.3, size=200)
    p[:, 6] = 0.0
    p /= p.sum(axis=1, keepdims=True)
    truth = np.where(rng.random(200) < 0.5, p[:, :5].argmax(axis=1), rng.integers(0, 5, 200))
    found, best = scored(p, truth), p.argmax(axis=1)
    assert found.scores["accuracy"] == pytest.approx(accuracy_score(truth, best), rel=1e-15)
    assert found.scores["f1"] == pytest.approx(f1_score(truth, best, average="macro"), rel=1e-14)
    target = {"preds": tensor(best), "target": tensor(truth), "num_classes": 7}
    assert found.scores["accuracy"] == pytest.approx(float(multiclass_accuracy(**target, average="micro")), rel=1e-6)
    assert found.scores["f1"] == pytest.approx(float(multiclass_f1_score(**target, average="macro")), rel=1e-6)
    np.testing.assert_array_equal(found.per_image, best == truth)
    np.testing.assert_array_equal(found.columns["confidence"], p.max(axis=1))
    assert (found.metric, found.threshold) == ("correct (1) or not (0)", None)
    assert found.per_image.mean() == pytest.approx(found.scores["accuracy"], rel=1e-15)


def test_indices_have_no_confidence(rng: np.random.Generator) -> None:
    truth, predicted = rng.integers(0, 1000, (2, 300))
    predicted = np.where(rng.random(300) < 0.5, truth, predicted)
    found = scored(predicted, truth)
    assert found.scores == pytest.approx(
        {"accuracy": accuracy_score(truth, predicted), "f1": f1_score(truth, predicted, average="macro")}
    )
    assert np.isnan(found.columns["confidence"]).all()


@pytest.mark.parametrize(
    ("prediction", "truth", "line"),
    [
        ([2.5, -1.0], 0, r"^prediction must be probabilities that sum to 1, got '\[ 2.5 -1. \]': apply a softmax to logits$"),
        ([1.0], 0, r"must be \(k,\) probabilities of k ≥ 2 classes, or a class index, got \(1,\)$"),
        ([0, 1], 1, "must be floating probabilities, or one class index, got 'int64'"),
        (0.5, 0, r"^prediction must be a class index, a whole number, got (np\.float64\()?0\.5"),
        (0, 1.0, "^truth must be a class index, a whole number, got 1.0"),
        ([0.5, 0.5], 2, r"^truth must be one of the prediction's 2 classes, 0 to 1, got 2"),
    ],
)
def test_bad_input_is_refused(prediction: Any, truth: Any, line: str) -> None:
    with pytest.raises(InputError, match=line):
        CLASSIFICATION.tally(prediction, truth)


def drawn(n: int, k: int, sharpness: float = 2.0, seed: int = 0) -> np.ndarray:
    z = sharpness * np.random.default_rng(seed).normal(size=(n, k))
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "k"), [(1, 2), (3, 7), (7, 3), (200, 14), (14, 200)])
def test_the_mean_share_is_the_nuclear_norm(n: int, k: int) -> None:
    p = drawn(n, k)
    expected = np.linalg.norm(p, "nuc") / np.sqrt(min(n, k) * n)
    assert nuclear_norm_shares(p).mean() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 12.0])
def test_mano_is_the_scaled_norm_of_normalised_logits(sharpness: float) -> None:
    z = sharpness * np.random.default_rng(2).normal(size=(30, 6))
    softmax = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    sure = -np.log(softmax).mean() > 5
    assert sure == (sharpness == 12.0)
    v = softmax if sure else (1 + z + z**2 / 2) / (1 + z + z**2 / 2).sum(axis=1, keepdims=True)
    assert mano_shares(z).mean() == pytest.approx((v**4).mean() ** 0.25)


def test_confidence_margin_and_entropy_by_hand() -> None:
    values = class_signals([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert values["class_confidence"].tolist() == [0.5, 1.0]
    assert values["margin"].tolist() == [0.0, 1.0]
    np.testing.assert_allclose(values["entropy"], [np.log(2), 0.0])
    assert all(np.isfinite(row).all() for row in values.values())


@pytest.mark.parametrize("wrong", [[], [[1.0]], [0.5, 0.5], [[0.7, 0.7]], [[1.5, -0.5]], [[np.nan, 1.0]]])
def test_what_are_no_probabilities_or_logits_is_refused(wrong: list[float]) -> None:
    with pytest.raises(InputError, match="probabilities must"):
        class_signals(wrong)
    with pytest.raises(InputError, match="logits must be finite"):
        mano_shares([[np.inf, 0.0]])
    with pytest.raises(InputError, match=r"must all tell the same number of classes apart, got \[2, 3\]$"):
        scored([[0.5, 0.5], [0.2, 0.3, 0.5]], [0, 1])
