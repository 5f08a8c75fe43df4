"""Every registered perturbation of images with masks keeps the suite's contract."""

from __future__ import annotations

import numpy as np
import pytest

from howfar import registry
from howfar.errors import UnknownNameError
from howfar.perturb import labelled_every, labelled_named
from howfar.perturb.perturbation import KIND
from howfar.testing import LabelledPerturbationTests


class TestFade(LabelledPerturbationTests):
    perturbation = labelled_named("fade")


class TestMosaic(LabelledPerturbationTests):
    perturbation = labelled_named("mosaic")
    moves_mask = True


class TestEnlarge(LabelledPerturbationTests):
    perturbation = labelled_named("enlarge")
    moves_mask = True


class TestBlur(LabelledPerturbationTests):
    perturbation = labelled_named("blur")


class TestNoise(LabelledPerturbationTests):
    perturbation = labelled_named("noise")


class TestDarken(LabelledPerturbationTests):
    perturbation = labelled_named("darken")


class TestContrast(LabelledPerturbationTests):
    perturbation = labelled_named("contrast")


class TestGamma(LabelledPerturbationTests):
    perturbation = labelled_named("gamma")


class TestInvert(LabelledPerturbationTests):
    perturbation = labelled_named("invert")


class TestTexture(LabelledPerturbationTests):
    perturbation = labelled_named("texture")


class TestFourier(LabelledPerturbationTests):
    perturbation = labelled_named("fourier")
    # The lowest frequencies are another image's from the smallest strength on.
    continuous = False


def test_each_of_ours_has_its_suite() -> None:
    tested = {suite.perturbation.name for suite in LabelledPerturbationTests.__subclasses__() if suite.__module__ == __name__}
    assert tested == set(registry.OURS[KIND])


@pytest.mark.parametrize("name", labelled_every())
def test_registered_names_are_their_own(name: str) -> None:
    assert labelled_named(name).name == name


def test_an_unknown_name_is_one_line() -> None:
    with pytest.raises(UnknownNameError, match=r"no labelled_perturbations named 'fad'; known: .*; did you mean 'fade'\?"):
        labelled_named("fad")


def test_what_is_random_depends_on_the_seed() -> None:
    pixels, mask = np.full((32, 32, 3), 128, np.uint8), np.zeros((32, 32), bool)
    noise = labelled_named("noise")
    one, again, other = (noise(pixels, mask, 0.1, seed=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).mean() > 0.5


def test_labels_tell_strength_or_factor() -> None:
    assert [labelled_named("mosaic").label(strength) for strength in (0.5, 2)] == ["mosaic 1.5×", "mosaic 3×"]
    assert labelled_named("gamma").label(-1.0) == "gamma -1"
