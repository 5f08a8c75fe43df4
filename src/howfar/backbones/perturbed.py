"""Embed perturbed images: a backbone whose input is changed first, with the change in the identity of its features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.perturb import Perturbation
from howfar.protocols import Backbone


class PerturbedBackbone(Backbone):
    """Embed every image perturbed, by another backbone.

    Features of perturbed images are kept in a store beside those of the images as they are, under an identity of their own.

    Parameters
    ----------
    backbone
        The backbone that embeds.
    perturbation
        How its input is changed.

    Examples
    --------
    >>> from howfar.backbones import load_backbone
    >>> from howfar.perturb import named
    >>> PerturbedBackbone(load_backbone("pixels"), named("blur")).name
    'pixels of blur'
    """

    def __init__(self, backbone: Backbone, perturbation: Perturbation) -> None:
        self._backbone, self._perturbation = backbone, perturbation

    def __getattr__(self, attribute: str) -> Any:
        # A backbone may have these members or not; the pipeline asks with hasattr.
        if attribute in ("batch_size", "busy"):
            return getattr(self._backbone, attribute)
        if attribute == "on":
            move: Any = getattr(self._backbone, attribute)
            return lambda device: PerturbedBackbone(move(device), self._perturbation)
        raise AttributeError(attribute)

    @property
    def name(self) -> str:
        """Return the backbone's name and the perturbation's."""
        return f"{self._backbone.name} of {self._perturbation.name}"

    @property
    def layers(self) -> tuple[int, ...]:
        """Return the lengths of the parts of a feature, which a perturbation does not change."""
        return self._backbone.layers

    @property
    def identity(self) -> Mapping[str, Any]:
        """Return the backbone's identity, with the perturbation and its parameters."""
        change = {"name": self._perturbation.name, **self._perturbation.parameters}
        return {**self._backbone.identity, "perturbation": change}

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        """Perturb an RGB picture, then turn it into the model's input array."""
        return self._backbone.prepare(Image.fromarray(self._perturbation(np.asarray(image.convert("RGB")))))

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, …) prepared pictures into (b, q) float32 features."""
        return self._backbone.embed(batch)
