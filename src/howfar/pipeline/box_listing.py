"""Read predicted boxes in the formats that say which box is whose only beside the images themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from howfar.data import Dataset, Item
from howfar.data.box_files import read_predicted_boxes
from howfar.metrics.detection import Detection
from howfar.pipeline.listed_signals import ListedImage, listed_boxes
from howfar.relation.label_free_columns import BOX_AGREEMENTS, BOX_SIGNALS


@dataclass(frozen=True)
class BoxListing:
    """Name a file or folder of predicted boxes, as `howfar.evaluate` takes them, and of those of the flipped images.

    Classes that are numbers stay numbers, as the signals of boxes need no names.
    """

    predictions: Path
    flipped: Path | None
    metric: Detection

    def columns(self) -> tuple[str, ...]:
        """List the columns that the boxes give."""
        return tuple(name for name in BOX_SIGNALS if self.flipped is not None or name not in BOX_AGREEMENTS)

    def matched(self, dataset: Dataset) -> dict[Path | str, ListedImage]:
        """Compute the signals of a dataset's images, by the image's file.

        Raises `HowfarError` where the boxes cannot be read, or none is of an image.
        """
        boxes = read_predicted_boxes(dataset, self.predictions).boxes
        what = "boxes of the flipped images"
        mirror = None if self.flipped is None else read_predicted_boxes(dataset, self.flipped, what=what).boxes
        return listed_boxes(self.predictions, boxes, mirror, self.metric).matched(dataset)

    def beside(self, image: Path | str) -> ListedImage:
        """Compute the signals of one image that comes alone."""
        return self.matched(Dataset("new", (Item(Path(image).name, image),)))[image]
