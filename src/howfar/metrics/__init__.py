"""Score predictions against ground truth (segmentation, classification, detection), and compute label-free signals."""

from howfar.metrics.classification import CLASSIFICATION, Classification
from howfar.metrics.detection import DETECTION, Detection
from howfar.metrics.image_structure import foreground_shape
from howfar.metrics.label_free_signals import (
    ensemble_agreement,
    flip_agreement,
    flip_overlap,
    histogram,
    signals,
    soft_dice,
    soft_f,
)
from howfar.metrics.metric_interface import Metric, MetricScore, tallies
from howfar.metrics.multiclass import MULTICLASS, Multiclass, class_map_signals
from howfar.metrics.probability_maps import THRESHOLDS
from howfar.metrics.segmentation import (
    SEGMENTATION,
    Segmentation,
    SegmentationScore,
    ThresholdScore,
    at_threshold,
    best_per_image,
    summarise,
)
from howfar.metrics.threshold_counts import (
    Counts,
    average_precision,
    count,
    f,
    f_per_image,
    false_positive_share,
    iou_per_image,
    ods,
    precision_recall,
    precision_recall_per_image,
    stack,
    threshold_index,
)

__all__ = [
    "CLASSIFICATION", "DETECTION", "MULTICLASS", "SEGMENTATION", "THRESHOLDS", "Classification", "Counts", "Detection",
    "Metric", "MetricScore", "Multiclass", "Segmentation", "SegmentationScore", "ThresholdScore", "at_threshold",
    "average_precision", "best_per_image", "class_map_signals", "count", "ensemble_agreement", "f", "f_per_image",
    "false_positive_share", "flip_agreement", "flip_overlap", "foreground_shape", "histogram", "iou_per_image", "ods",
    "precision_recall", "precision_recall_per_image", "signals", "soft_dice", "soft_f", "stack", "summarise", "tallies",
    "threshold_index",
]  # fmt: skip
