"""Find objects by name and load them when they are asked for: ours by the table below, other packages' by entry points.

Another package adds a backbone, a distance, a figure, a section of the report or a command with an entry point in the group
``howfar.<kind>`` (``howfar.backbones``, ``howfar.figures`` …) whose value is ``module:attribute``. A kind of its own, as for
the figures of a study of its own, is a group that it names.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from howfar.entry_points import entry_points
from howfar.errors import InputError, UnknownNameError

OURS: Mapping[str, Mapping[str, str]] = {
    "backbones": {
        "efficientnet_lite0": "howfar.backbones.timm:EFFICIENTNET_LITE0",
        "pixels": "howfar.backbones.pixels:PIXELS",
        "colour_moments": "howfar.backbones.pixels:COLOUR_MOMENTS",
        "perceptual_hash": "howfar.backbones.perceptual_hash:PERCEPTUAL_HASH",
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
        "frozen": "howfar.backbones.trained_segmenter:FROZEN",
        "embeddings": "howfar.backbones.precomputed_embeddings:EMBEDDINGS",
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
        "mind": "howfar.distances.wasserstein:mind",
    },
    "segmenters": {
        "unetplusplus": "howfar.segmenters.unetplusplus:UNETPLUSPLUS",
        "deepcrack": "howfar.segmenters.deepcrack:DEEPCRACK",
        "adsam": "howfar.segmenters.sam_adapter:SAM_ADAPTER",
        "frozen": "howfar.segmenters.frozen:FROZEN",
    },
    "adaptation_ways": {
        "retrain": "howfar.adaptation.retrain:RETRAIN",
        "finetune": "howfar.adaptation.finetune:FINETUNE",
        "norm": "howfar.adaptation.norm:NORM",
        "norm-tune": "howfar.adaptation.norm_tune:NORM_TUNE",
        "selftrain": "howfar.adaptation.selftrain:SELFTRAIN",
        "scale": "howfar.adaptation.scale:SCALE",
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
        "near": "howfar.selection.by_column:NEAR",
        "random": "howfar.selection.random_draws:RANDOM",
        "stratified": "howfar.selection.random_draws:STRATIFIED",
        "kcenter": "howfar.selection.kcenter:KCENTER",
        "typiclust": "howfar.selection.clusters:TYPICLUST",
        "kmedoids": "howfar.selection.clusters:KMEDOIDS",
        "probcover": "howfar.selection.probcover:PROBCOVER",
        "kmeanspp": "howfar.selection.kmeanspp:KMEANSPP",
        "herding": "howfar.selection.herding:HERDING",
        "uncertainty": "howfar.selection.by_column:UNCERTAINTY",
        "flip_disagreement": "howfar.selection.by_column:FLIP_DISAGREEMENT",
        "foreground": "howfar.selection.random_draws:FOREGROUND",
        "foreground_random": "howfar.selection.foreground_random:FOREGROUND_RANDOM",
        "objects": "howfar.selection.objects:OBJECTS",
        "stratified_entropy": "howfar.selection.stratified_entropy:STRATIFIED_ENTROPY",
        "share_quantiles": "howfar.selection.share_quantiles:SHARE_QUANTILES",
        "ridge_response": "howfar.selection.ridge_response:RIDGE_RESPONSE",
    },
    "perturbations": {
        "brighter": "howfar.perturb.corruptions:BRIGHTER",
        "darker": "howfar.perturb.corruptions:DARKER",
        "blur": "howfar.perturb.corruptions:BLUR",
        "noise": "howfar.perturb.corruptions:NOISY",
    },
    "labelled_perturbations": {
        "fade": "howfar.perturb.fading:FADE",
        "mosaic": "howfar.perturb.mosaic:MOSAIC",
        "enlarge": "howfar.perturb.enlargement:ENLARGE",
        "blur": "howfar.perturb.degradation:BLUR",
        "noise": "howfar.perturb.degradation:NOISE",
        "darken": "howfar.perturb.tones:DARKEN",
        "contrast": "howfar.perturb.tones:CONTRAST",
        "gamma": "howfar.perturb.tones:GAMMA",
        "invert": "howfar.perturb.tones:INVERT",
        "texture": "howfar.perturb.foreign_texture:TEXTURE",
        "fourier": "howfar.perturb.fourier_amplitude:FOURIER",
    },
    "studies": {
        "distance": "howfar.studies.distance_table:DISTANCE",
        "edges": "howfar.studies.edges:EDGES",
        "performance": "howfar.studies.performance_by_distance:PERFORMANCE",
        "adaptation": "howfar.studies.adaptations:ADAPTATION",
        "pool": "howfar.studies.pool.kind:POOL",
        "components": "howfar.studies.components:COMPONENTS",
        "prompts": "howfar.studies.prompts.kind:PROMPTS",
        "suppression": "howfar.studies.suppression:SUPPRESSION",
        "scenes": "howfar.studies.scenes:SCENES",
        "robustness": "howfar.studies.robustness:ROBUSTNESS",
        "identity": "howfar.studies.identity.study:IDENTITY",
    },
    "study_sections": {
        "distance": "howfar.report.distance_table:section",
        "edges": "howfar.report.edges:section",
        "performance": "howfar.report.performance_by_distance:section",
        "adaptation": "howfar.report.adaptations:section",
        "pool": "howfar.report.pool:section",
        "components": "howfar.report.components:section",
        "prompts": "howfar.report.prompting.section:section",
        "suppression": "howfar.report.suppression:section",
        "scenes": "howfar.report.scenes:section",
        "robustness": "howfar.report.robustness:section",
        "identity": "howfar.report.identity:section",
    },
    "runners": {"local": "howfar.runners.local:LocalRunner", "ray": "howfar.runners.ray:RayRunner"},
    "trackers": {"mlflow": "howfar.tracking.mlflow_run:MlflowRun", "wandb": "howfar.tracking.wandb_run:WandbRun"},
    "figures": {
        "relative": "howfar.figures.relative_distance:relative",
        "violin": "howfar.figures.violin:violin",
        "sorted_distances": "howfar.figures.sorted_distances:sorted_distances",
        "scatter": "howfar.figures.scatter:scatter",
        "thumbnails": "howfar.figures.thumbnails:thumbnails",
        "near_duplicates": "howfar.figures.near_duplicates:near_duplicates",
    },
    "metrics": {
        "segmentation": "howfar.metrics.segmentation:SEGMENTATION",
        "classification": "howfar.metrics.classification:CLASSIFICATION",
        "detection": "howfar.metrics.detection:DETECTION",
        "multiclass": "howfar.metrics.multiclass:MULTICLASS",
    },
    "estimators": {
        "mean": "howfar.relation.performance_estimators:MEAN",
        "consensus": "howfar.relation.consensus_estimator:CONSENSUS",
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
        "performance": "howfar.figures.performance:performance",
        "parts": "howfar.figures.near_and_far_parts:parts",
        "thresholds": "howfar.figures.thresholds:relation_thresholds",
        "judgements": "howfar.figures.estimator_errors:judgements",
        "estimates": "howfar.figures.estimates:estimates",
        "failures": "howfar.figures.failures:failures",
    },
    "selection_figures": {"contact_sheet": "howfar.figures.contact_sheet:contact_sheet"},
    "adaptation_figures": {
        "adaptation_gains": "howfar.figures.adaptation_gains:adaptation_gains",
        "adaptation_bars": "howfar.figures.adaptation_bars:adaptation_bars",
        "adaptation_curves": "howfar.figures.adaptation_curves:adaptation_curves",
        "adaptation_rows": "howfar.figures.adaptation_rows:adaptation_rows",
        "adaptation_suppression": "howfar.figures.adaptation_suppression:adaptation_suppression",
        "adaptation_bars_background": "howfar.figures.adaptation_bars:adaptation_bars_background",
        "adaptation_curves_background": "howfar.figures.adaptation_curves:adaptation_curves_background",
    },
    "backbone_figures": {
        "backbones_relative": "howfar.figures.backbones:backbones_relative",
        "backbones_agreement": "howfar.figures.backbones:backbones_agreement",
    },
    "matrix_figures": {
        "matrix_map": "howfar.figures.matrix:matrix_map",
        "matrix_relative": "howfar.figures.matrix:matrix_relative",
    },
    "prompting_figures": {"prompting_rows": "howfar.figures.prompting:prompting_rows"},
    "certificate_figures": {
        "certificate_steps": "howfar.figures.certificate:certificate_steps",
        "certificate_sample": "howfar.figures.certificate:certificate_sample",
    },
    "results": {
        "comparison": "howfar.results.comparison:Comparison",
        "adaptation": "howfar.results.adaptation:Adaptation",
        "backbones": "howfar.results.backbones:BackboneComparison",
        "matrix": "howfar.results.matrix:Matrix",
        "prompting": "howfar.results.prompting:Prompting",
        "components": "howfar.results.components:Components",
        "identity": "howfar.results.identity:Identity",
        "study": "howfar.results.study_run:StudyRun",
        "scenes": "howfar.results.scenes:Scenes",
        "robustness": "howfar.results.robustness:Robustness",
        "distance": "howfar.results.distance_table:DistanceTable",
        "edges": "howfar.results.edges:Edges",
        "performance": "howfar.results.performance_by_distance:PerformanceByDistance",
        "adaptations": "howfar.results.adaptations:Adaptations",
        "suppression": "howfar.results.suppression:Suppression",
        "pool": "howfar.results.pool:Pool",
        "certificate": "howfar.results.certificate:Certificate",
    },
    "explorers": {"comparison": "howfar.report.explorer.notebook:explore"},
    "reports": {
        "html": "howfar.report.comparison:write_report",
        "selection": "howfar.report.selection:write_selection",
        "adaptation": "howfar.report.adaptation:write_adaptation_report",
        "backbones": "howfar.report.backbones:write_backbones_report",
        "matrix": "howfar.report.matrix:write_matrix_report",
        "prompting": "howfar.report.prompting:write_prompting_report",
        "section": "howfar.report.study:write_section_report",
        "study": "howfar.report.study:write_study_report",
        "certificate": "howfar.report.certificate:write_certificate_report",
        "to_label": "howfar.report.certificate.to_label:write_to_label",
        "to_label_classification": "howfar.report.listed_sample:write_class_sample",
        "to_label_detection": "howfar.report.listed_sample:write_box_sample",
        "to_label_multiclass": "howfar.report.listed_sample:write_class_map_sample",
    },
    "components_figures": {},
    "identity_figures": {},
    "scenes_figures": {},
    "robustness_figures": {},
    "distance_figures": {},
    "edges_figures": {
        "edges_rows": "howfar.figures.edges:edges_rows",
    },
    "performance_figures": {
        "performance_slopes": "howfar.figures.performance_slopes:performance_slopes",
    },
    "adaptations_figures": {
        "adaptations_bars": "howfar.figures.adaptations_bars:adaptations_bars",
    },
    "suppression_figures": {
        "suppression": "howfar.figures.suppression:suppression",
    },
    "pool_figures": {
        "rank_intervals": "howfar.figures.pool:rank_intervals",
        "precision_recall_plane": "howfar.figures.pool:precision_recall_plane",
        "labels_curve": "howfar.figures.pool_labels:labels_curve",
    },
    "study_figures": {},
    "assessment_figures": {"sites": "howfar.figures.sites:sites"},
    "sections": {
        "assessment": "howfar.report.assessment:SECTION",
        "answer": "howfar.report.comparison:ANSWER",
        "explore": "howfar.report.explorer:SECTION",
        "distances": "howfar.report.comparison:DISTANCES",
        "reading": "howfar.report.comparison:READING",
        "performance": "howfar.report.performance:SECTION",
        "estimates": "howfar.report.estimates:SECTION",
        "failures": "howfar.report.failures:SECTION",
        "slices": "howfar.report.slices:SECTION",
        "near_duplicates": "howfar.report.near_duplicates:SECTION",
        "trivial": "howfar.report.comparison:TRIVIAL",
        "images": "howfar.report.comparison:IMAGES",
        "rivals": "howfar.report.comparison:RIVALS",
        "files": "howfar.report.comparison:FILES",
        "made": "howfar.report.comparison:MADE",
    },
    "commands": {
        "demo": "howfar.cli.demo:demo",
        "assess": "howfar.cli.assess:assess",
        "explain": "howfar.cli.explain:explain",
        "compare": "howfar.cli.compare:compare",
        "matrix": "howfar.cli.matrix:matrix",
        "evaluate": "howfar.cli.evaluate:evaluate",
        "relate": "howfar.cli.relate:relate",
        "select": "howfar.cli.select:select",
        "labels": "howfar.cli.labels:labels",
        "certify": "howfar.cli.certify:certify",
        "train": "howfar.cli.train:train",
        "predict": "howfar.cli.predict:predict",
        "corrupt": "howfar.cli.corrupt:corrupt",
        "adapt": "howfar.cli.adapt:adapt",
        "prompts": "howfar.cli.prompts:prompts",
        "profile": "howfar.cli.profile:profile",
        "score": "howfar.cli.score:score",
        "check": "howfar.cli.check:check",
        "embed": "howfar.cli.embed:embed",
        "backbones": "howfar.cli.backbones:backbones",
        "strategies": "howfar.cli.strategies:strategies",
        "study": "howfar.cli.study:study",
        "data": "howfar.cli.data:data",
        "store": "howfar.cli.store:store",
        "export": "howfar.cli.export:export",
        "report": "howfar.cli.report:report",
        "explore": "howfar.cli.explore:explore",
    },
}


def names(kind: str) -> tuple[str, ...]:
    """List every registered name of a kind, sorted: ours and those of installed packages.

    Raises `InputError` where the kind itself is unknown.

    Examples
    --------
    >>> "pixels" in names("backbones")
    True
    """
    return tuple(sorted(_table(kind)))


def ordered(kind: str) -> tuple[str, ...]:
    """List every registered name of a kind as pages show them: ours in the order of the table, then other packages', sorted.

    Examples
    --------
    >>> ordered("matrix_figures")[:2]
    ('matrix_map', 'matrix_relative')
    """
    own = OURS.get(kind, {})
    return (*own, *(name for name in names(kind) if name not in own))


def is_ours(kind: str, name: str) -> bool:
    """Return whether a name is howfar's own.

    Examples
    --------
    >>> is_ours("figures", "violin"), is_ours("figures", "pie")
    (True, False)
    """
    return name in OURS.get(kind, {})


def load(kind: str, name: str) -> Any:
    """Import and return what is registered as `name`.

    Raises `UnknownNameError`, which lists the known names, where nothing is.

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
    table = {point.name: point.value for point in entry_points(group=f"howfar.{kind}")} | dict(OURS.get(kind, {}))
    if not table and kind not in OURS:
        raise InputError.of("kind", f"must be one of {', '.join(OURS)}", kind)
    return table
