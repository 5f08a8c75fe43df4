"""Joint PCA of two datasets' features, exact and free of seeds."""

from howfar.projection.pca import MODES, SCALES, Mode, Projection, Route, Scale, joint_pca, project

__all__ = ["MODES", "SCALES", "Mode", "Projection", "Route", "Scale", "joint_pca", "project"]
