"""Find objects by name and load them on first use: howfar's own from a table, other packages' from entry points.

Another package adds a backbone, a distance, a figure, a section of the report or a command with an entry point in the group
``howfar.<kind>`` (``howfar.backbones``, ``howfar.figures`` …) whose value is ``module:attribute``. A kind of its own, as for
the figures of a study of its own, is a group that it names.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module, metadata
from typing import Any

from howfar.commands import TARGETS
from howfar.errors import InputError, UnknownNameError


def entry_points(group: str) -> metadata.EntryPoints:
    """List the entry points of a group; installed packages are read again only if a package folder has changed."""
    found: metadata.EntryPoints = _installed(tuple((folder, _changed(folder)) for folder in sys.path)).select(group=group)
    return found


@lru_cache(maxsize=1)
def _installed(_: tuple[tuple[str, int], ...]) -> Any:
    return metadata.entry_points()


def _changed(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns  # noqa: PTH116  # pathlib takes longer to load than this answer takes
    except OSError:
        return 0


OURS: Mapping[str, Mapping[str, str]] = {
    "backbones": {
        "efficientnet_lite0": "howfar.backbones.timm:EFFICIENTNET_LITE0",
        "pixels": "howfar.backbones.handcrafted:PIXELS",
        "colour_moments": "howfar.backbones.handcrafted:COLOUR_MOMENTS",
        "perceptual_hash": "howfar.backbones.handcrafted:PERCEPTUAL_HASH",
        "timm": "howfar.backbones.timm:TIMM",
        "transformers": "howfar.backbones.transformers:TRANSFORMERS",
        "onnx": "howfar.backbones.onnx:ONNX",
        "sam": "howfar.backbones.published_transformers:SAM",
        "clipseg": "howfar.backbones.clipseg:CLIPSEG",
        "enet": "howfar.backbones.timm:ENET",
        "clip": "howfar.backbones.published_transformers:CLIP",
        "dinov2": "howfar.backbones.published_transformers:DINOV2",
        "convnextv2": "howfar.backbones.published_transformers:CONVNEXTV2",
        "swinv2": "howfar.backbones.published_transformers:SWINV2",
        "dinov3": "howfar.backbones.published_transformers:DINOV3",
        "siglip2": "howfar.backbones.published_transformers:SIGLIP2",
        "mobileclip": "howfar.backbones.timm:MOBILECLIP",
        "unetplusplus": "howfar.backbones.trained_segmenter:UNETPLUSPLUS",
        "deepcrack": "howfar.backbones.trained_segmenter:DEEPCRACK",
        "adsam": "howfar.backbones.trained_segmenter:ADSAM",
        "frozen": "howfar.backbones.trained_segmenter:FROZEN",
        "embeddings": "howfar.backbones.backbone_family:EMBEDDINGS",
    },
    "image_distances": {
        "i_dist": "howfar.distances.dataset_distances:image_to_dataset",
        "knn": "howfar.distances.knn:knn",
        "mahalanobis": "howfar.distances.mahalanobis:mahalanobis",
    },
    "dataset_distances": {
        "o_dist": "howfar.distances.dataset_distances:dataset_to_dataset",
        "energy": "howfar.distances.dataset_distances:energy",
        "frechet": "howfar.distances.frechet:frechet",
        "kid": "howfar.distances.mmd:kid",
        "mmd": "howfar.distances.mmd:mmd",
        "sliced_wasserstein": "howfar.distances.wasserstein:sliced_wasserstein",
        "mind": "howfar.distances.wasserstein:mind",
    },
    "segmenters": {
        "unetplusplus": "howfar.segmenters.architectures:UNETPLUSPLUS",
        "deepcrack": "howfar.segmenters.architectures:DEEPCRACK",
        "adsam": "howfar.segmenters.architectures:SAM_ADAPTER",
        "frozen": "howfar.segmenters.architectures:FROZEN",
    },
    "adaptation_ways": {
        "retrain": "howfar.adaptation_ways:RETRAIN",
        "finetune": "howfar.adaptation_ways:FINETUNE",
        "norm": "howfar.adaptation_ways:NORM",
        "norm-tune": "howfar.adaptation_ways:NORM_TUNE",
        "selftrain": "howfar.adaptation_ways:SELFTRAIN",
        "scale": "howfar.adaptation_ways:SCALE",
    },
    "losses": {
        "bce": "howfar.training.optimisation:bce",
        "dice": "howfar.training.optimisation:dice",
        "bce_dice": "howfar.training.optimisation:bce_dice",
        "soft_iou": "howfar.training.optimisation:soft_iou",
        "bce_iou": "howfar.training.optimisation:bce_iou",
        "deepcrack": "howfar.training.optimisation:deepcrack",
    },
    "schedules": {
        "constant": "howfar.training.optimisation:constant",
        "cosine": "howfar.training.optimisation:cosine",
        "poly": "howfar.training.optimisation:poly",
        "step": "howfar.training.optimisation:step",
    },
    "strategies": {
        "far": "howfar.selection.by_column:FAR",
        "near": "howfar.selection.by_column:NEAR",
        "random": "howfar.selection.random_draws:RANDOM",
        "stratified": "howfar.selection.random_draws:STRATIFIED",
        "kcenter": "howfar.selection.diversity:KCENTER",
        "typiclust": "howfar.selection.diversity:TYPICLUST",
        "kmedoids": "howfar.selection.diversity:KMEDOIDS",
        "probcover": "howfar.selection.diversity:PROBCOVER",
        "kmeanspp": "howfar.selection.diversity:KMEANSPP",
        "herding": "howfar.selection.diversity:HERDING",
        "uncertainty": "howfar.selection.by_column:UNCERTAINTY",
        "flip_disagreement": "howfar.selection.by_column:FLIP_DISAGREEMENT",
        "foreground": "howfar.selection.random_draws:FOREGROUND",
        "foreground_random": "howfar.selection.random_draws:FOREGROUND_RANDOM",
        "objects": "howfar.selection.diversity:OBJECTS",
        "stratified_entropy": "howfar.selection.random_draws:STRATIFIED_ENTROPY",
        "share_quantiles": "howfar.selection.by_column:SHARE_QUANTILES",
        "ridge_response": "howfar.selection.by_column:RIDGE_RESPONSE",
    },
    "perturbations": {
        "brighter": "howfar.perturb.corruptions:BRIGHTER",
        "darker": "howfar.perturb.corruptions:DARKER",
        "blur": "howfar.perturb.corruptions:BLUR",
        "noise": "howfar.perturb.corruptions:NOISY",
    },
    "image_formats": {
        "jpeg": "howfar.data.image_formats:JPEG",
        "png": "howfar.data.image_formats:PNG",
        "bmp": "howfar.data.image_formats:BMP",
        "gif": "howfar.data.image_formats:GIF",
        "tiff": "howfar.data.image_formats:TIFF",
        "webp": "howfar.data.image_formats:WEBP",
        "ppm": "howfar.data.image_formats:PPM",
        "jpeg2000": "howfar.data.image_formats:JPEG2000",
        "avif": "howfar.data.image_formats:AVIF",
    },
    "labelled_perturbations": {
        "fade": "howfar.perturb.corruptions:FADE",
        "mosaic": "howfar.perturb.corruptions:MOSAIC",
        "enlarge": "howfar.perturb.corruptions:ENLARGE",
        "blur": "howfar.perturb.corruptions:LABELLED_BLUR",
        "noise": "howfar.perturb.corruptions:LABELLED_NOISE",
        "darken": "howfar.perturb.corruptions:DARKEN",
        "contrast": "howfar.perturb.corruptions:CONTRAST",
        "gamma": "howfar.perturb.corruptions:GAMMA",
        "invert": "howfar.perturb.corruptions:INVERT",
        "texture": "howfar.perturb.corruptions:TEXTURE",
        "fourier": "howfar.perturb.corruptions:FOURIER",
    },
    "studies": {
        "distance": "howfar.paper.backbone_distances:DISTANCE",
        "edges": "howfar.paper.edges:EDGES",
        "performance": "howfar.paper.adapted_models:PERFORMANCE",
        "adaptation": "howfar.studies.adaptations:ADAPTATION",
        "pool": "howfar.paper.pool:POOL",
        "components": "howfar.paper.backbone_distances:COMPONENTS",
        "prompts": "howfar.paper.prompts:PROMPTS",
        "suppression": "howfar.paper.adapted_models:SUPPRESSION",
        "scenes": "howfar.paper.categories:SCENES",
        "robustness": "howfar.paper.categories:ROBUSTNESS",
        "identity": "howfar.paper.identity:IDENTITY",
    },
    "study_sections": {
        "distance": "howfar.paper.backbone_distances_report:distance_section",
        "edges": "howfar.paper.edges_report:section",
        "performance": "howfar.paper.adapted_models_report:performance_section",
        "adaptation": "howfar.report.adaptation_report:section",
        "pool": "howfar.paper.pool_report:section",
        "components": "howfar.paper.backbone_distances_report:components_section",
        "prompts": "howfar.paper.prompts_report:section",
        "suppression": "howfar.paper.adapted_models_report:suppression_section",
        "scenes": "howfar.paper.categories_report:scenes_section",
        "robustness": "howfar.paper.categories_report:robustness_section",
        "identity": "howfar.paper.identity_report:section",
    },
    "runners": {"local": "howfar.runners:LocalRunner", "ray": "howfar.runners:RayRunner"},
    "trackers": {"mlflow": "howfar.tracking:MlflowRun", "wandb": "howfar.tracking:WandbRun"},
    "figures": {
        "relative": "howfar.figures.distance_figures:relative",
        "violin": "howfar.figures.distance_figures:violin",
        "sorted_distances": "howfar.figures.distance_figures:sorted_distances",
        "scatter": "howfar.figures.distance_figures:scatter",
        "thumbnails": "howfar.figures.contact_sheets:thumbnails",
        "near_duplicates": "howfar.figures.contact_sheets:near_duplicates",
    },
    "metrics": {
        "segmentation": "howfar.metrics.segmentation:SEGMENTATION",
        "classification": "howfar.metrics.classification:CLASSIFICATION",
        "detection": "howfar.metrics.detection:DETECTION",
        "multiclass": "howfar.metrics.multiclass:MULTICLASS",
    },
    "estimators": {
        "mean": "howfar.relation.performance_estimators:MEAN",
        "consensus": "howfar.relation.performance_estimators:CONSENSUS",
        "i_dist": "howfar.relation.performance_estimators:I_DIST",
        "knn": "howfar.relation.performance_estimators:KNN",
        "mahalanobis": "howfar.relation.performance_estimators:MAHALANOBIS",
        "distances": "howfar.relation.performance_estimators:DISTANCES",
        "average_confidence": "howfar.relation.performance_estimators:AVERAGE_CONFIDENCE",
        "foreground_confidence": "howfar.relation.performance_estimators:FOREGROUND_CONFIDENCE",
        "doc": "howfar.relation.performance_estimators:DOC",
        "atc": "howfar.relation.performance_estimators:ATC",
        "nuclear_norm": "howfar.relation.performance_estimators:NUCLEAR_NORM",
        "flip_agreement": "howfar.relation.performance_estimators:FLIP_AGREEMENT",
        "ensemble_agreement": "howfar.relation.performance_estimators:ENSEMBLE_AGREEMENT",
        "soft_f": "howfar.relation.performance_estimators:SOFT_F_LINE",
        "flip_overlap": "howfar.relation.performance_estimators:FLIP_OVERLAP_LINE",
        "signals": "howfar.relation.performance_estimators:SIGNALS",
        "boosted": "howfar.relation.performance_estimators:BOOSTED",
        "all": "howfar.relation.performance_estimators:ALL",
        "entropy": "howfar.relation.performance_estimators:ENTROPY",
        "margin": "howfar.relation.performance_estimators:MARGIN_LINE",
        "mano": "howfar.relation.performance_estimators:MANO",
        "box_count": "howfar.relation.performance_estimators:BOX_COUNT_LINE",
        "box_stability": "howfar.relation.performance_estimators:BOX_STABILITY",
        "box_consistency": "howfar.relation.performance_estimators:BOX_CONSISTENCY",
    },
    "evaluation_figures": {"thresholds": "howfar.figures.thresholds:thresholds"},
    "relation_figures": {
        "performance": "howfar.figures.performance_figures:performance",
        "parts": "howfar.paper.near_and_far_parts:parts",
        "thresholds": "howfar.figures.thresholds:relation_thresholds",
        "judgements": "howfar.figures.estimate_figures:judgements",
        "estimates": "howfar.figures.estimate_figures:estimates",
        "failures": "howfar.figures.estimate_figures:failures",
    },
    "selection_figures": {"contact_sheet": "howfar.figures.contact_sheets:contact_sheet"},
    "adaptation_figures": {
        "adaptation_gains": "howfar.figures.adaptation_gains:adaptation_gains",
        "adaptation_bars": "howfar.figures.adaptation_scores:adaptation_bars",
        "adaptation_curves": "howfar.figures.adaptation_scores:adaptation_curves",
        "adaptation_rows": "howfar.figures.adaptation_rows:adaptation_rows",
        "adaptation_suppression": "howfar.figures.adaptation_gains:adaptation_suppression",
        "adaptation_bars_background": "howfar.figures.adaptation_scores:adaptation_bars_background",
        "adaptation_curves_background": "howfar.figures.adaptation_scores:adaptation_curves_background",
    },
    "backbone_figures": {
        "backbones_relative": "howfar.figures.backbone_figures:backbones_relative",
        "backbones_agreement": "howfar.figures.backbone_figures:backbones_agreement",
    },
    "matrix_figures": {
        "matrix_map": "howfar.figures.matrix_figures:matrix_map",
        "matrix_relative": "howfar.figures.matrix_figures:matrix_relative",
    },
    "prompting_figures": {"prompting_rows": "howfar.paper.prompts_report:prompting_rows"},
    "certificate_figures": {
        "certificate_steps": "howfar.figures.certificate_figures:certificate_steps",
        "certificate_sample": "howfar.figures.certificate_figures:certificate_sample",
    },
    "results": {
        "comparison": "howfar.results.comparison_result:Comparison",
        "adaptation": "howfar.results.adaptation_result:Adaptation",
        "backbones": "howfar.results.backbones_result:BackboneComparison",
        "matrix": "howfar.results.comparison_result:Matrix",
        "prompting": "howfar.results.segmenter_studies:Prompting",
        "components": "howfar.results.distance_studies:Components",
        "identity": "howfar.results.distance_studies:Identity",
        "study": "howfar.results.study_run:StudyRun",
        "scenes": "howfar.results.distance_studies:Scenes",
        "robustness": "howfar.results.distance_studies:Robustness",
        "distance": "howfar.results.backbones_result:DistanceTable",
        "edges": "howfar.results.segmenter_studies:Edges",
        "performance": "howfar.results.segmenter_studies:PerformanceByDistance",
        "adaptations": "howfar.results.adaptation_result:Adaptations",
        "suppression": "howfar.results.segmenter_studies:Suppression",
        "pool": "howfar.results.segmenter_studies:Pool",
        "certificate": "howfar.results.certificate_result:Certificate",
    },
    "explorers": {"comparison": "howfar.report.explorer:explore"},
    "reports": {
        "html": "howfar.report.comparison_report:write_report",
        "selection": "howfar.report.labelling_files:write_selection",
        "adaptation": "howfar.report.adaptation_report:write_adaptation_report",
        "backbones": "howfar.report.backbones_report:write_backbones_report",
        "matrix": "howfar.report.matrix_report:write_matrix_report",
        "prompting": "howfar.paper.prompts_report:write_prompting_report",
        "section": "howfar.report.study_report:write_section_report",
        "study": "howfar.report.study_report:write_study_report",
        "certificate": "howfar.report.certificate_report:write_certificate_report",
        "to_label": "howfar.report.labelling_files:write_sample",
    },
    "components_figures": {},
    "identity_figures": {},
    "scenes_figures": {},
    "robustness_figures": {},
    "distance_figures": {},
    "edges_figures": {
        "edges_rows": "howfar.paper.edges_report:edges_rows",
    },
    "performance_figures": {
        "performance_slopes": "howfar.paper.adapted_models_report:performance_slopes",
    },
    "adaptations_figures": {
        "adaptations_bars": "howfar.figures.adaptation_scores:adaptation_bars",
    },
    "suppression_figures": {
        "suppression": "howfar.paper.adapted_models_report:suppression",
    },
    "pool_figures": {
        "rank_intervals": "howfar.paper.pool_report:rank_intervals",
        "precision_recall_plane": "howfar.paper.pool_report:precision_recall_plane",
        "labels_curve": "howfar.paper.pool_report:labels_curve",
    },
    "study_figures": {},
    "assessment_figures": {"sites": "howfar.figures.estimate_figures:sites"},
    "sections": {
        "assessment": "howfar.report.estimates_report:ASSESSMENT",
        "answer": "howfar.report.comparison_report:ANSWER",
        "explore": "howfar.report.explorer:SECTION",
        "distances": "howfar.report.comparison_report:DISTANCES",
        "reading": "howfar.report.comparison_report:READING",
        "performance": "howfar.report.performance_report:PERFORMANCE",
        "estimates": "howfar.report.estimates_report:ESTIMATES",
        "failures": "howfar.report.failures:SECTION_OF_FAILURES",
        "slices": "howfar.report.performance_report:SLICES",
        "near_duplicates": "howfar.report.comparison_report:NEAR_DUPLICATES",
        "trivial": "howfar.report.comparison_report:TRIVIAL",
        "images": "howfar.report.comparison_report:IMAGES",
        "rivals": "howfar.report.comparison_report:RIVALS",
        "files": "howfar.report.comparison_report:FILES",
        "made": "howfar.report.comparison_report:MADE",
    },
    "commands": TARGETS,
}


def names(kind: str) -> tuple[str, ...]:
    """List all registered names of a kind, sorted: howfar's own and those of installed packages.

    Raises `InputError` where the kind itself is unknown.
    """
    return tuple(sorted(_table(kind)))


def ordered(kind: str) -> tuple[str, ...]:
    """List all registered names of a kind in display order: howfar's in table order, then other packages', sorted."""
    own = OURS.get(kind, {})
    return (*own, *(name for name in names(kind) if name not in own))


def is_ours(kind: str, name: str) -> bool:
    """Return whether a name is howfar's own."""
    return name in OURS.get(kind, {})


def load(kind: str, name: str) -> Any:
    """Import and return the object registered as `name`.

    Raises `UnknownNameError`, which lists the known names, where nothing is.
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
    table = {point.name: point.value for point in entry_points(group=f"howfar.{kind}")} | dict(OURS.get(kind, {}))
    if not table and kind not in OURS:
        raise InputError.of("kind", f"must be one of {', '.join(OURS)}", kind)
    return table
