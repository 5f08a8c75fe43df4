"""The shipped suite, for every distance that the registry knows."""

from __future__ import annotations

from howfar import registry
from howfar.distances import (
    dataset_to_dataset,
    energy,
    frechet,
    image_to_dataset,
    kid,
    knn,
    mahalanobis,
    mind,
    mmd,
    sliced_wasserstein,
)
from howfar.testing.distance_suite import DistanceTests


class TestImageToDataset(DistanceTests):
    distance = staticmethod(image_to_dataset)


class TestKnn(DistanceTests):
    distance = staticmethod(knn)
    least_images = (1, 5)


class TestMahalanobis(DistanceTests):
    distance = staticmethod(mahalanobis)
    least_images = (1, 2)
    needs_spread = True


class TestDatasetToDataset(DistanceTests):
    distance = staticmethod(dataset_to_dataset)
    per_image = False
    symmetric = True


class TestEnergy(DistanceTests):
    distance = staticmethod(energy)
    per_image = False
    zero_on_itself = True
    symmetric = True


class TestFrechet(DistanceTests):
    distance = staticmethod(frechet)
    per_image = False
    zero_on_itself = True
    symmetric = True


class TestKid(DistanceTests):
    distance = staticmethod(kid)
    per_image = False
    signed = True
    symmetric = True
    translation_invariant = False
    least_images = (2, 2)


class TestMmd(DistanceTests):
    distance = staticmethod(mmd)
    per_image = False
    zero_on_itself = True
    symmetric = True


class TestSlicedWasserstein(DistanceTests):
    distance = staticmethod(sliced_wasserstein)
    per_image = False
    zero_on_itself = True
    symmetric = True


class TestMind(DistanceTests):
    distance = staticmethod(mind)
    per_image = False
    zero_on_itself = True
    symmetric = True


def test_no_registered_distance_is_left_out() -> None:
    tested = {suite.distance for suite in DistanceTests.__subclasses__() if suite.__module__ == __name__}
    for kind, per_image in (("image_distances", True), ("dataset_distances", False)):
        for name in registry.OURS[kind]:
            distance = registry.load(kind, name)
            assert distance in tested, f"{name} has no suite"
            assert all(s.per_image is per_image for s in DistanceTests.__subclasses__() if s.distance is distance)
