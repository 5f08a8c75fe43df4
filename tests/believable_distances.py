"""A factory of results of the study of distances from seeded random features."""

from dataclasses import replace

import numpy as np

import howfar
from howfar.results import BackboneSummary, Comparison
from howfar.results.backbones_result import BackboneFeature, DistanceTable
from howfar.results.display_and_shared_records import Provenance
from howfar.studies.backbone_agreement import by_image, with_agreement

SETS = ("north", "south", "birds", "boats")


def measured(label: str, shifts: tuple[int, ...], draws: int = 99) -> Comparison:
    """Compare rows that lie so far from those of P; bootstrapped."""
    rng = np.random.default_rng([len(label), *shifts])
    primary = np.random.default_rng(0).normal(size=(30, 6))
    far = {name: rng.normal(size=(20, 6)) + np.array([shift, *[0] * 5]) for name, shift in zip(SETS, shifts, strict=True)}
    found = howfar.compare(primary, far, bootstrap=60, permutations=draws, rivals=False, components=4)
    return replace(found, backbone=BackboneSummary(label, 6, (6,), {}), primary=replace(found.primary, name="roads"))


def make(**shifts: tuple[int, ...]) -> DistanceTable:
    """Make a table with a backbone per label; that called pixels is trivial."""
    comparisons = tuple(measured(label, values) for label, values in shifts.items())
    images = {each.backbone.name: by_image(each) for each in comparisons}
    features = tuple(BackboneFeature(label, label, "a feature", 6, "", label == "pixels") for label in shifts)
    agreed = with_agreement(comparisons, images, comparisons[0].settings)
    return DistanceTable(agreed, features, provenance=Provenance.now())
