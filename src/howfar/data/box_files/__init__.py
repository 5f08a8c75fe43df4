"""Read true and predicted boxes in the formats that exist: COCO, YOLO, Pascal VOC, Ultralytics, tables, exports, own JSON."""

from howfar.data.box_files.box_file import BoxFile
from howfar.data.box_files.read import KINDS, read_predicted_boxes, read_true_boxes

__all__ = ["KINDS", "BoxFile", "read_predicted_boxes", "read_true_boxes"]
