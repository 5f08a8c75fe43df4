"""The shipped suite, for every perturbation of images with masks that the registry knows."""

from __future__ import annotations

import pytest

from howfar import registry
from howfar.perturb import labelled_every, labelled_named
from howfar.perturb.perturbation import KIND
from howfar.testing import LabelledPerturbationTests

for _name in registry.OURS[KIND]:
    _facts = {
        "perturbation": labelled_named(_name),
        "moves_mask": _name in ("enlarge", "mosaic"),
        # The lowest frequencies are another image's from the smallest strength on.
        "continuous": _name != "fourier",
    }
    globals()[f"Test{_name.title()}"] = type(
        f"Test{_name.title()}", (LabelledPerturbationTests,), {**_facts, "__module__": __name__}
    )


@pytest.mark.parametrize("name", labelled_every())
def test_registered_names_are_their_own(name: str) -> None:
    assert labelled_named(name).name == name


def test_labels_tell_strength_or_factor() -> None:
    assert [labelled_named("mosaic").label(strength) for strength in (0.5, 2)] == ["mosaic 1.5×", "mosaic 3×"]
    assert labelled_named("gamma").label(-1.0) == "gamma -1"
