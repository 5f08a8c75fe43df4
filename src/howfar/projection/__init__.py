"""Project the features of two datasets on their joint principal components (PCA), exactly and without a seed."""

from howfar.projection.pca_basis import Basis
from howfar.projection.projector import Mode, Projection, Projector, Route, Scale, joint_pca, project

__all__ = ["Basis", "Mode", "Projection", "Projector", "Route", "Scale", "joint_pca", "project"]
