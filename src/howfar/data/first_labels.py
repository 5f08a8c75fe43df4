"""Hold what a model says of images that are to be labelled, as first labels that a labelling tool shows to be corrected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from howfar.data.box_labelling import Boxes
from howfar.data.label_names import LabelNames


@dataclass(frozen=True, eq=False)
class FirstLabels:
    """Hold first labels by the name of an image, of one task; an image that is in none of the mappings has none.

    Attributes
    ----------
    task
        "segmentation", "detection" or "classification".
    names
        What the tool calls the labels.
    own
        The labels that the model may give, in its own words.
    foregrounds, boxes, classes
        What the model takes for foreground, (h, w), each time it is called; its boxes; its class.
    """

    task: str = "segmentation"
    names: LabelNames = field(default_factory=lambda: LabelNames({}))
    own: tuple[str, ...] = ()
    foregrounds: Mapping[str, Callable[[], NDArray[np.bool_]]] = field(default_factory=dict)
    boxes: Mapping[str, Boxes] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)

    def offered(self) -> tuple[str, ...]:
        """Return the names of the labels that the tool offers; the first is that of the foreground where masks are labelled."""
        return self.names.offered(() if self.task == "segmentation" and self.names.given else self.own)

    def named_boxes(self, image: str) -> Boxes:
        """Return the boxes of an image under the names that the tool offers."""
        return [(self.names.in_tool(label), corners) for label, corners in self.boxes.get(image, ())]

    def named_class(self, image: str) -> str:
        """Return the class of an image under the name that the tool offers, "" where it has none."""
        return self.names.in_tool(self.classes[image]) if image in self.classes else ""
