"""Names to objects, loaded when they are asked for: ours by the table below, other packages' by entry points.

Another package adds a backbone, a distance, a figure or a runner with an entry point in the group
``howfar.<kind>`` (``howfar.backbones``, ``howfar.figures`` …) whose value is ``module:attribute``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from howfar.errors import InputError, UnknownNameError

OURS: Mapping[str, Mapping[str, str]] = {
    "backbones": {
        "efficientnet_lite0": "howfar.backbones.timm:EFFICIENTNET_LITE0",
        "pixels": "howfar.backbones.pixels:PIXELS",
        "colour_moments": "howfar.backbones.pixels:COLOUR_MOMENTS",
        "timm": "howfar.backbones.timm:TIMM",
        "transformers": "howfar.backbones.transformers:TRANSFORMERS",
        "onnx": "howfar.backbones.onnx:ONNX",
        "sam": "howfar.backbones.published_transformers:SAM",
        "clipseg": "howfar.backbones.clipseg:CLIPSEG",
        "enet": "howfar.backbones.published_timm:ENET",
        "clip": "howfar.backbones.published_transformers:CLIP",
        "dinov2": "howfar.backbones.published_transformers:DINOV2",
        "convnextv2": "howfar.backbones.published_transformers:CONVNEXTV2",
        "swinv2": "howfar.backbones.published_transformers:SWINV2",
        "dinov3": "howfar.backbones.published_transformers:DINOV3",
        "siglip2": "howfar.backbones.published_transformers:SIGLIP2",
        "mobileclip": "howfar.backbones.published_timm:MOBILECLIP",
        "unetplusplus": "howfar.backbones.trained_segmenter:UNETPLUSPLUS",
        "deepcrack": "howfar.backbones.trained_segmenter:DEEPCRACK",
        "adsam": "howfar.backbones.trained_segmenter:ADSAM",
        "embeddings": "howfar.backbones.embeddings:EMBEDDINGS",
    },
    "image_distances": {
        "i_dist": "howfar.distances.dataset:image_to_dataset",
        "knn": "howfar.distances.knn:knn",
        "mahalanobis": "howfar.distances.mahalanobis:mahalanobis",
    },
    "dataset_distances": {
        "o_dist": "howfar.distances.dataset:dataset_to_dataset",
        "energy": "howfar.distances.dataset:energy",
        "frechet": "howfar.distances.frechet:frechet",
        "kid": "howfar.distances.mmd:kid",
        "mmd": "howfar.distances.mmd:mmd",
        "sliced_wasserstein": "howfar.distances.wasserstein:sliced_wasserstein",
    },
    "segmenters": {
        "unetplusplus": "howfar.segmenters.unetplusplus:UNETPLUSPLUS",
        "deepcrack": "howfar.segmenters.deepcrack:DEEPCRACK",
        "adsam": "howfar.segmenters.sam_adapter:SAM_ADAPTER",
    },
    "losses": {
        "bce": "howfar.training.losses:bce",
        "dice": "howfar.training.losses:dice",
        "bce_dice": "howfar.training.losses:bce_dice",
        "soft_iou": "howfar.training.losses:soft_iou",
        "bce_iou": "howfar.training.losses:bce_iou",
        "deepcrack": "howfar.training.losses:deepcrack",
    },
    "schedules": {
        "constant": "howfar.training.schedule:constant",
        "cosine": "howfar.training.schedule:cosine",
        "poly": "howfar.training.schedule:poly",
        "step": "howfar.training.schedule:step",
    },
    "strategies": {
        "far": "howfar.selection.far:FAR",
        "near": "howfar.selection.near:NEAR",
        "random": "howfar.selection.random:RANDOM",
        "stratified": "howfar.selection.stratified:STRATIFIED",
        "kcenter": "howfar.selection.kcenter:KCENTER",
        "typiclust": "howfar.selection.typiclust:TYPICLUST",
        "kmedoids": "howfar.selection.kmedoids:KMEDOIDS",
        "probcover": "howfar.selection.probcover:PROBCOVER",
        "kmeanspp": "howfar.selection.kmeanspp:KMEANSPP",
        "herding": "howfar.selection.herding:HERDING",
        "uncertainty": "howfar.selection.uncertainty:UNCERTAINTY",
        "flip_disagreement": "howfar.selection.flip_disagreement:FLIP_DISAGREEMENT",
        "foreground": "howfar.selection.foreground:FOREGROUND",
    },
    "perturbations": {
        "brighter": "howfar.perturb.corruptions:BRIGHTER",
        "darker": "howfar.perturb.corruptions:DARKER",
        "blur": "howfar.perturb.corruptions:BLUR",
        "noise": "howfar.perturb.corruptions:NOISY",
    },
    "runners": {
        "local": "howfar.runners.local:LocalRunner",
        "ray": "howfar.runners.ray:RayRunner",
    },
    "figures": {
        "relative": "howfar.figures.relative:relative",
        "violin": "howfar.figures.violin:violin",
        "sorted_distances": "howfar.figures.sorted_distances:sorted_distances",
        "scatter": "howfar.figures.scatter:scatter",
        "thumbnails": "howfar.figures.thumbnails:thumbnails",
    },
    "metrics": {
        "segmentation": "howfar.metrics.segmentation:SEGMENTATION",
        "classification": "howfar.metrics.classification:CLASSIFICATION",
        "detection": "howfar.metrics.detection:DETECTION",
    },
    "estimators": {
        "mean": "howfar.relation.estimators:MEAN",
        "i_dist": "howfar.relation.estimators:I_DIST",
        "knn": "howfar.relation.estimators:KNN",
        "mahalanobis": "howfar.relation.estimators:MAHALANOBIS",
        "distances": "howfar.relation.estimators:DISTANCES",
        "average_confidence": "howfar.relation.estimators:AVERAGE_CONFIDENCE",
        "foreground_confidence": "howfar.relation.estimators:FOREGROUND_CONFIDENCE",
        "doc": "howfar.relation.estimators:DOC",
        "atc": "howfar.relation.estimators:ATC",
        "nuclear_norm": "howfar.relation.estimators:NUCLEAR_NORM",
        "flip_agreement": "howfar.relation.estimators:FLIP_AGREEMENT",
        "ensemble_agreement": "howfar.relation.estimators:ENSEMBLE_AGREEMENT",
        "signals": "howfar.relation.estimators:SIGNALS",
        "all": "howfar.relation.estimators:ALL",
    },
    "evaluation_figures": {
        "thresholds": "howfar.figures.thresholds:thresholds",
    },
    "relation_figures": {
        "performance": "howfar.figures.performance:performance",
        "thresholds": "howfar.figures.thresholds:relation_thresholds",
        "parts": "howfar.figures.parts:parts",
        "estimates": "howfar.figures.estimates:estimates",
        "judgements": "howfar.figures.judgements:judgements",
        "failures": "howfar.figures.failures:failures",
    },
    "selection_figures": {
        "contact_sheet": "howfar.figures.contact_sheet:contact_sheet",
    },
    "adaptation_figures": {
        "adaptation_curves": "howfar.figures.adaptation_curves:adaptation_curves",
        "adaptation_bars": "howfar.figures.adaptation_bars:adaptation_bars",
        "adaptation_gains": "howfar.figures.adaptation_gains:adaptation_gains",
        "adaptation_rows": "howfar.figures.adaptation_rows:adaptation_rows",
        "adaptation_suppression": "howfar.figures.adaptation_suppression:adaptation_suppression",
    },
    "backbone_figures": {
        "backbones_relative": "howfar.figures.backbones:backbones_relative",
        "backbones_agreement": "howfar.figures.backbones:backbones_agreement",
    },
    "matrix_figures": {
        "matrix_map": "howfar.figures.matrix:matrix_map",
        "matrix_relative": "howfar.figures.matrix:matrix_relative",
    },
    "prompting_figures": {
        "prompting_rows": "howfar.figures.prompting:prompting_rows",
    },
    "reports": {
        "html": "howfar.report.html:write_report",
        "selection": "howfar.report.selection:write_selection",
        "adaptation": "howfar.report.adaptation:write_adaptation_report",
        "backbones": "howfar.report.backbones:write_backbones_report",
        "matrix": "howfar.report.matrix:write_matrix_report",
        "prompting": "howfar.report.prompting:write_prompting_report",
    },
}


def names(kind: str) -> tuple[str, ...]:
    """Every registered name of a kind, sorted: ours and those of installed packages.

    Raises
    ------
    InputError
        The kind itself is unknown.

    Examples
    --------
    >>> "pixels" in names("backbones")
    True
    """
    return tuple(sorted(_table(kind)))


def load(kind: str, name: str) -> Any:
    """Import and return what is registered as `name`.

    Raises
    ------
    UnknownNameError
        No such name; the line lists the known ones.

    Examples
    --------
    >>> load("image_distances", "i_dist").__name__
    'image_to_dataset'
    """
    # Ours come first, so only other names need a look at what is installed, which takes some milliseconds.
    table = OURS.get(kind, {})
    table = table if name in table else _table(kind)
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(f"no {kind} named {name!r}; known: {', '.join(sorted(table))}{hint}")
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)


def _table(kind: str) -> dict[str, str]:
    if kind not in OURS:
        raise InputError.of("kind", f"must be one of {', '.join(OURS)}", kind)
    table = {point.name: point.value for point in entry_points(group=f"howfar.{kind}")}
    table.update(OURS[kind])
    return table
