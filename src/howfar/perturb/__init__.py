"""Perturb images in stated ways to see whether distances and predictions stand them, some of them with their masks.

A `Perturbation` changes pixels alone (darkening, blur, noise). A `LabelledPerturbation` has a strength as a dial, and its mask
follows the image (fading foreground, mosaics, foreign texture).
"""

from howfar.perturb.perturbation import LabelledPerturbation, Perturbation, every, labelled_every, labelled_named, named

__all__ = ["LabelledPerturbation", "Perturbation", "every", "labelled_every", "labelled_named", "named"]
