"""Compute distances from images to a dataset and between datasets, over projected features (or any others)."""

from howfar.distances.frechet import frechet
from howfar.distances.knn import knn
from howfar.distances.mahalanobis import mahalanobis
from howfar.distances.mean_distances import dataset_to_dataset, energy, image_to_dataset, leave_one_out, self_distance
from howfar.distances.mmd_and_kid import kid, mmd
from howfar.distances.sliced_wasserstein import mind, sliced_otdd, sliced_wasserstein

__all__ = [
    "dataset_to_dataset", "energy", "frechet", "image_to_dataset", "kid", "knn", "leave_one_out", "mahalanobis", "mind", "mmd",
    "self_distance", "sliced_otdd", "sliced_wasserstein",
]  # fmt: skip
