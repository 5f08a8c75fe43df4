"""Joint PCA of two datasets' features, exact and free of seeds."""

from howfar.projection.basis import Basis
from howfar.projection.pca import joint_pca, project
from howfar.projection.projector import Mode, Projection, Projector, Route, Scale

__all__ = ["Basis", "Mode", "Projection", "Projector", "Route", "Scale", "joint_pca", "project"]
