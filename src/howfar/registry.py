"""Look up plug-ins (backbones, distances, figures …) by name, from howfar's own table and other packages' entry points.

Another package adds a backbone, a distance, a figure, a section of the report or a command with an entry point in the group
``howfar.<kind>`` (``howfar.backbones``, ``howfar.figures`` …) whose value is ``module:attribute``. A kind of its own, as for
the figures of a study of its own, is a group that it names.
"""

import difflib
import os
import sys
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib import import_module, metadata
from typing import Any

from howfar.command_table import TARGETS
from howfar.errors import InputError, UnknownNameError


def entry_points(group: str) -> metadata.EntryPoints:
    """List the entry points of a group; installed packages are read again only if a package folder has changed."""
    folders = []
    for folder in sys.path:
        try:
            changed = os.stat(folder or ".").st_mtime_ns  # noqa: PTH116  # pathlib takes longer to load than this answer takes
        except OSError:
            changed = 0
        folders.append((folder, changed))
    found: metadata.EntryPoints = _installed(tuple(folders)).select(group=group)
    return found


@lru_cache(maxsize=1)
def _installed(_: tuple[tuple[str, int], ...]) -> Any:
    return metadata.entry_points()


def _entries(*lines: str) -> dict[str, str]:
    """Read lines such as ``distances.mmd: kid mmd``, modules and names: ``FAR`` is registered as far, ``noise=NOISY`` so."""
    targets: dict[str, str] = {}
    for line in lines:
        module, _, words = line.partition(": ")
        for word in words.split():
            name, _, attribute = word.rpartition("=")
            targets[name or attribute.lower()] = f"howfar.{module}:{attribute}"
    return targets


OURS: Mapping[str, Mapping[str, str]] = {
    "backbones": _entries(
        "backbones.timm_backbones: EFFICIENTNET_LITE0",
        "backbones.handcrafted_features: PIXELS COLOUR_MOMENTS PERCEPTUAL_HASH",
        "backbones.timm_backbones: TIMM",
        "backbones.transformers_backbones: TRANSFORMERS",
        "backbones.onnx_backbone: ONNX",
        "backbones.published_vision_models: SAM CLIPSEG",
        "backbones.timm_backbones: ENET",
        "backbones.published_vision_models: CLIP DINOV2 CONVNEXTV2 SWINV2 DINOV3 SIGLIP2",
        "backbones.timm_backbones: MOBILECLIP",
        "backbones.segmenter_encoder: UNETPLUSPLUS DEEPCRACK ADSAM FROZEN",
        "backbones.backbone_family: EMBEDDINGS",
    ),
    "image_distances": _entries(
        "distances.mean_distances: i_dist=image_to_dataset", "distances.knn: knn", "distances.mahalanobis: mahalanobis"
    ),
    "dataset_distances": _entries(
        "distances.mean_distances: o_dist=dataset_to_dataset energy",
        "distances.frechet: frechet",
        "distances.mmd_and_kid: kid mmd",
        "distances.sliced_wasserstein: sliced_wasserstein mind",
    ),
    "segmenters": _entries("segmenters: UNETPLUSPLUS DEEPCRACK adsam=SAM_ADAPTER FROZEN"),
    "adaptation_ways": _entries("adaptation_ways: RETRAIN FINETUNE NORM norm-tune=NORM_TUNE SELFTRAIN SCALE"),
    "losses": _entries("training.losses_and_schedules: bce dice bce_dice soft_iou bce_iou deepcrack"),
    "schedules": _entries("training.losses_and_schedules: constant cosine poly step"),
    "strategies": _entries(
        "selection.random_and_ranked: FAR NEAR RANDOM STRATIFIED",
        "selection.diversity: KCENTER TYPICLUST KMEDOIDS PROBCOVER KMEANSPP HERDING",
        "selection.random_and_ranked: UNCERTAINTY FLIP_DISAGREEMENT FOREGROUND FOREGROUND_RANDOM",
        "selection.diversity: OBJECTS",
        "selection.random_and_ranked: STRATIFIED_ENTROPY SHARE_QUANTILES RIDGE_RESPONSE",
    ),
    "perturbations": _entries("perturb.image_and_mask_changes: BRIGHTER DARKER BLUR noise=NOISY"),
    "image_formats": _entries("data.image_formats: JPEG PNG BMP GIF TIFF WEBP PPM JPEG2000 AVIF"),
    "pixel_readers": _entries("data.bands_and_bit_depth: bands=picture_bytes"),
    "stacks": _entries(
        "data.raster_windows_and_outlines: raster=Raster",
        "data.medical_images: nifti=Nifti dicom=Dicom",
        "data.video_frames: clip=Clip",
    ),
    "labelled_perturbations": _entries(
        "perturb.image_and_mask_changes: FADE MOSAIC ENLARGE blur=LABELLED_BLUR noise=LABELLED_NOISE DARKEN CONTRAST GAMMA",
        "perturb.image_and_mask_changes: INVERT TEXTURE FOURIER",
    ),
    "studies": _entries(
        "paper.backbones_and_components: DISTANCE",
        "paper.edge_following: EDGES",
        "paper.slopes_and_suppression: PERFORMANCE",
        "studies.adaptation.several_segmenters: ADAPTATION",
        "paper.segmenter_ranking: POOL",
        "paper.backbones_and_components: COMPONENTS",
        "paper.prompts: PROMPTS",
        "paper.slopes_and_suppression: SUPPRESSION",
        "paper.scene_categories: SCENES",
        "paper.scene_categories: ROBUSTNESS",
        "paper.person_identity: IDENTITY",
    ),
    "study_sections": _entries(
        "paper.backbones_and_components_report: distance=distance_section",
        "paper.edge_following_report: edges=section",
        "paper.slopes_and_suppression_report: performance=performance_section",
        "report.adaptation_report: adaptation=section",
        "paper.segmenter_ranking_report: pool=section",
        "paper.backbones_and_components_report: components=components_section",
        "paper.prompts_report: prompts=section",
        "paper.slopes_and_suppression_report: suppression=suppression_section",
        "paper.scene_categories_report: scenes=scenes_section",
        "paper.scene_categories_report: robustness=robustness_section",
        "paper.person_identity_report: identity=section",
    ),
    "labelling_hosts": _entries("integrations.labelling_servers: labelstudio=LabelStudioHost cvat=CvatHost"),
    "labels_at": _entries("integrations.labelling_servers: address=labels_at"),
    "dataset_hosts": _entries("integrations.fiftyone_datasets: fiftyone=read_dataset"),
    "runners": _entries("runners: local=LocalRunner ray=RayRunner"),
    "trackers": _entries("experiment_tracking: mlflow=MlflowRun wandb=WandbRun"),
    "figures": _entries(
        "figures.distance_figures: relative violin sorted_distances scatter",
        "figures.contact_sheets: thumbnails near_duplicates",
    ),
    "metrics": _entries(
        "metrics.segmentation: SEGMENTATION",
        "metrics.classification: CLASSIFICATION",
        "metrics.detection: DETECTION",
        "metrics.multiclass: MULTICLASS",
    ),
    "estimators": _entries(
        "relation.performance_estimators: MEAN CONSENSUS I_DIST KNN MAHALANOBIS DISTANCES AVERAGE_CONFIDENCE",
        "relation.performance_estimators: FOREGROUND_CONFIDENCE DOC ATC NUCLEAR_NORM FLIP_AGREEMENT ENSEMBLE_AGREEMENT",
        "relation.performance_estimators: soft_f=SOFT_F_LINE flip_overlap=FLIP_OVERLAP_LINE SIGNALS BOOSTED ALL ENTROPY",
        "relation.performance_estimators: margin=MARGIN_LINE MANO box_count=BOX_COUNT_LINE BOX_STABILITY BOX_CONSISTENCY",
    ),
    "evaluation_figures": _entries("figures.performance_figures: thresholds"),
    "relation_figures": _entries(
        "figures.performance_figures: performance parts thresholds=relation_thresholds",
        "figures.estimated_performance: judgements estimates failures",
    ),
    "selection_figures": _entries("figures.contact_sheets: contact_sheet"),
    "adaptation_figures": _entries(
        "figures.adaptation_figures: adaptation_gains adaptation_bars adaptation_curves adaptation_rows adaptation_suppression",
        "figures.adaptation_figures: adaptation_bars_background adaptation_curves_background",
    ),
    "backbone_figures": _entries("figures.distance_figures: backbones_relative backbones_agreement"),
    "matrix_figures": _entries("figures.distance_figures: matrix_map matrix_relative"),
    "prompting_figures": _entries("paper.prompts_report: prompting_rows"),
    "certificate_figures": _entries("figures.estimated_performance: certificate_steps certificate_sample"),
    "results": _entries(
        "results.comparison_result: Comparison",
        "results.matrix_result: Matrix",
        "results.adaptation_result: Adaptation Adaptations",
        "results.backbones_result: backbones=BackboneComparison distance=DistanceTable",
        "results.segmenter_studies: Prompting Edges performance=PerformanceByDistance Suppression Pool",
        "results.distance_studies: Components Identity Scenes Robustness",
        "results.study_run: study=StudyRun",
        "results.certificate_result: Certificate",
    ),
    "explorers": _entries("report.explorer: comparison=explore"),
    "reports": _entries(
        "report.comparison_report: html=write_report",
        "report.labelling_files: selection=write_selection to_label=write_sample",
        "report.adaptation_report: adaptation=write_adaptation_report",
        "report.backbones_report: backbones=write_backbones_report",
        "report.matrix_report: matrix=write_matrix_report",
        "paper.prompts_report: prompting=write_prompting_report",
        "report.study_report: section=write_section_report study=write_study_report",
        "report.certificate_report: certificate=write_certificate_report",
    ),
    "edges_figures": _entries("paper.edge_following_report: edges_rows"),
    "performance_figures": _entries("paper.slopes_and_suppression_report: performance_slopes"),
    "adaptations_figures": _entries("figures.adaptation_figures: adaptations_bars=adaptation_bars"),
    "suppression_figures": _entries("paper.slopes_and_suppression_report: suppression"),
    "pool_figures": _entries("paper.segmenter_ranking_report: rank_intervals precision_recall_plane labels_curve"),
    "assessment_figures": _entries("figures.estimated_performance: sites"),
    "sections": _entries(
        "report.estimates_report: ASSESSMENT",
        "report.comparison_report: ANSWER",
        "report.explorer: EXPLORE",
        "report.comparison_report: DISTANCES READING",
        "report.performance_report: PERFORMANCE",
        "report.estimates_report: ESTIMATES",
        "report.probable_failures: failures=SECTION_OF_FAILURES",
        "report.performance_report: SLICES",
        "report.comparison_report: NEAR_DUPLICATES TRIVIAL IMAGES RIVALS FILES MADE",
    ),
    **{f"{study}_figures": {} for study in ("components", "identity", "scenes", "robustness", "distance", "study")},
    "commands": TARGETS,
}


_PROTOCOLS = {"estimators": "Estimator", "strategies": "Strategy"}
"""Kinds whose objects, where another package's, are checked as they are loaded."""


def names(kind: str) -> tuple[str, ...]:
    """List all registered names of a kind, sorted, also of installed packages; raise `InputError` for an unknown kind."""
    return tuple(sorted(_table(kind)))


def ordered(kind: str) -> tuple[str, ...]:
    """List all registered names of a kind in display order: howfar's in table order, then other packages', sorted."""
    own = OURS.get(kind, {})
    return (*own, *(name for name in names(kind) if name not in own))


def is_ours(kind: str, name: str) -> bool:
    """Return whether a name is howfar's own."""
    return name in OURS.get(kind, {})


def load(kind: str, name: str) -> Any:
    """Import and return the object registered as `name`; raise `UnknownNameError`, which lists the known names."""
    # Only unknown names need the installed entry points, which take milliseconds to read.
    table = OURS.get(kind, {})
    table = table if name in table else _table(kind)
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(f"no {kind} named {name!r}; known: {', '.join(sorted(table))}{hint}")
    module, _, attribute = table[name].partition(":")
    found = getattr(import_module(module), attribute)
    if kind in _PROTOCOLS and not is_ours(kind, name):
        check(found, _PROTOCOLS[kind], f"{kind} {name} of {module}")
    return found


def check(found: object, protocol: str, what: str) -> None:
    """Raise `InputError` for an object, called `what`, that lacks something of a protocol in `howfar.protocols`."""
    wanted = [name for name in vars(getattr(import_module("howfar.protocols"), protocol)) if not name.startswith("_")]
    if missing := [name for name in wanted if not hasattr(found, name)]:
        lacks = f"{what} must have {', '.join(wanted)}, and lacks {', '.join(missing)}"
        raise InputError(f"{lacks}: see howfar.protocols.{protocol}, or uninstall the package")


def registered_by(modules: Collection[str]) -> str:
    """Name the plug-in that one of these modules defines, else a package among them with plug-ins; "" if there is none."""
    packages, found = {module.partition(".")[0] for module in modules} - {"howfar"}, ""
    for kind in OURS:
        for point in entry_points(group=f"howfar.{kind}"):
            package = point.module.partition(".")[0]
            if point.module in modules and package in packages:
                return f"{point.name}, which {package} registered in howfar.{kind}"
            found = f"{package}, which extends howfar" if package in packages else found
    return found


def _table(kind: str) -> dict[str, str]:
    table = {point.name: point.value for point in entry_points(group=f"howfar.{kind}")} | dict(OURS.get(kind, {}))
    if not table and kind not in OURS:
        raise InputError.of("kind", f"must be one of {', '.join(OURS)}", kind)
    return table
