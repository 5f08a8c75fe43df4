"""Perturb images, alone or together with their masks, to test the robustness of distances and predictions.

A `Perturbation` changes pixels alone (darkening, blur, noise). A `LabelledPerturbation` has a strength as a dial, and its mask
follows the image (fading foreground, mosaics, foreign texture).
"""

from howfar.perturb.perturbation import LabelledPerturbation, Perturbation, every, labelled_every, labelled_named, named

__all__ = ["LabelledPerturbation", "Perturbation", "every", "labelled_every", "labelled_named", "named"]
