"""Score predictions against ground truth (segmentation, classification, detection), and read label-free signals of them."""

from howfar.metrics.classification import CLASSIFICATION, Classification
from howfar.metrics.detection import DETECTION, Detection
from howfar.metrics.label_free_signals import ensemble_agreement, flip_agreement, histogram, signals, soft_dice
from howfar.metrics.probability_maps import THRESHOLDS
from howfar.metrics.protocol import Metric, MetricScore, tallies
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
    "CLASSIFICATION",
    "DETECTION",
    "SEGMENTATION",
    "THRESHOLDS",
    "Classification",
    "Counts",
    "Detection",
    "Metric",
    "MetricScore",
    "Segmentation",
    "SegmentationScore",
    "ThresholdScore",
    "at_threshold",
    "average_precision",
    "best_per_image",
    "count",
    "ensemble_agreement",
    "f",
    "f_per_image",
    "false_positive_share",
    "flip_agreement",
    "histogram",
    "iou_per_image",
    "ods",
    "precision_recall",
    "precision_recall_per_image",
    "signals",
    "soft_dice",
    "stack",
    "summarise",
    "tallies",
    "threshold_index",
]
