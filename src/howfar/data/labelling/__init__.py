"""What labelling tools read: images to be labelled, without a label yet, as the files that each tool imports."""

from howfar.data.labelling.coco import coco
from howfar.data.labelling.cvat import cvat
from howfar.data.labelling.label_studio import label_studio
from howfar.data.labelling.pictures import Picture

__all__ = ["Picture", "coco", "cvat", "label_studio"]
