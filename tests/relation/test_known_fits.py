"""A fit is made once to the same images, and again where anything about them differs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from howfar.relation.calibrated_estimator import KnownFits
from howfar.relation.image_columns import LabelledImages
from howfar.relation.leave_one_dataset_out import judge
from howfar.relation.performance_estimators import Consensus, ConsensusFit, RegisteredEstimator, named


@pytest.fixture
def labelled() -> LabelledImages:
    rng = np.random.default_rng(0)
    sets = np.repeat(["a", "b", "c", "d"], 12)
    signal = rng.random(48)
    return LabelledImages.of({"flip_agreement": signal}, np.clip(signal + 0.1 * rng.normal(size=48), 0, 1), sets)


def test_the_order_in_which_sets_are_left_out_makes_no_second_fit(labelled: LabelledImages) -> None:
    known, estimator = KnownFits(), named("flip_agreement")
    first = labelled.take(labelled.sets != "a").take(np.repeat([False, True, True], 12))
    other_way = labelled.take(labelled.sets != "b").take(np.repeat([False, True, True], 12))
    assert known.fit(estimator, first.coded()) is known.fit(estimator, other_way)


@pytest.mark.parametrize("changed", ["column", "performance", "sets", "groups"])
def test_other_images_are_fitted_anew(labelled: LabelledImages, changed: str) -> None:
    known, estimator = KnownFits(), named("flip_agreement")
    other = {
        "column": replace(labelled, columns={"flip_agreement": labelled.columns["flip_agreement"][::-1]}),
        "performance": replace(labelled, performance=1 - labelled.performance),
        "sets": replace(labelled, sets=np.roll(labelled.sets, 1)),
        "groups": replace(labelled, groups=labelled.sets),
    }[changed]
    assert known.fit(estimator, labelled) is not known.fit(estimator, other)


def test_a_column_that_is_not_read_makes_no_second_fit(labelled: LabelledImages) -> None:
    known, estimator = KnownFits(), named("flip_agreement")
    other = replace(labelled, columns={"soft_f": labelled.performance, **labelled.columns})
    assert known.fit(estimator, labelled) is known.fit(estimator, other)


def test_members_of_a_consensus_are_fitted_once(labelled: LabelledImages) -> None:
    known = KnownFits()
    settled = Consensus("both", ("flip_agreement", "mean")).resolve(labelled.columns, labelled.sets)
    assert settled is not None
    fitted = known.fit(settled, labelled)
    assert isinstance(fitted, ConsensusFit)
    assert fitted.fits[0] is known.fit(named("flip_agreement"), labelled)


def test_judging_fits_each_pair_of_left_out_sets_once(labelled: LabelledImages, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = []
    original = RegisteredEstimator.fit

    def counted(self: RegisteredEstimator, *arguments: object) -> object:
        fitted.append(self.name)
        return original(self, *arguments)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(RegisteredEstimator, "fit", counted)
    judge(["flip_agreement"], labelled.columns, labelled.performance, labelled.sets, tau=0.5)
    # 4 without one set, 6 without two, and 1 to all.
    assert fitted.count("flip_agreement") == 11
