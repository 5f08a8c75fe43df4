"""Perturb images in stated ways, such as darkening, blur and noise, to see whether distances and predictions stand them."""

from howfar.perturb.perturbation import Perturbation, every, named

__all__ = ["Perturbation", "every", "named"]
