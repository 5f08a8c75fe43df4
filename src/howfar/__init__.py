"""Measure how far new images are from a vision model's training images, whether the model fails on them, and which to label.

The public names are loaded on first use, so that ``import howfar`` is quick and never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from howfar import distances, metrics, projection, relation, sampling, selection, significance, store
    from howfar.backbones import load_backbone
    from howfar.data import Dataset
    from howfar.errors import HowfarError
    from howfar.paper.prompts import prompts
    from howfar.pipeline.embedding import embed
    from howfar.pipeline.prediction import predict
    from howfar.pipeline.profile_file import Profile
    from howfar.results import Comparison, Evaluation, Features, Relation, Selection
    from howfar.results.adaptation_result import Adaptation
    from howfar.results.assessment_result import Assessment
    from howfar.results.backbones_result import BackboneComparison
    from howfar.results.certificate_result import Certificate
    from howfar.results.check_result import Check
    from howfar.results.matrix_result import Matrix
    from howfar.results.segmenter_studies import Prompting
    from howfar.results.study_run import StudyRun
    from howfar.segmenters.checkpoint import Checkpoint
    from howfar.store import Store
    from howfar.studies.adaptation.adapt import adapt, bakeoff
    from howfar.studies.assessment.assess_sites import assess
    from howfar.studies.backbone_agreement import compare_backbones
    from howfar.studies.certification.certify import certify
    from howfar.studies.certification.verify_certificate import verify
    from howfar.studies.check.check_site import check
    from howfar.studies.compare_datasets import compare
    from howfar.studies.corruption import corrupt as corrupt
    from howfar.studies.distance_matrix import matrix
    from howfar.studies.evaluate_predictions import evaluate
    from howfar.studies.feature_export import export
    from howfar.studies.label_import import import_labels as import_labels
    from howfar.studies.performance.relate_and_estimate import relate
    from howfar.studies.profile_dataset import profile
    from howfar.studies.run_report import load, write_report
    from howfar.studies.select_images import select
    from howfar.studies.study_file.run_and_estimate import study
    from howfar.training.train import train

_HOMES = {
    "howfar.backbones": "load_backbone",
    "howfar.data": "Dataset",
    "howfar.errors": "HowfarError",
    "howfar.paper.prompts": "prompts",
    "howfar.pipeline.embedding": "embed",
    "howfar.pipeline.prediction": "predict",
    "howfar.pipeline.profile_file": "Profile",
    "howfar.results": "Comparison Evaluation Features Relation Selection",
    "howfar.results.adaptation_result": "Adaptation",
    "howfar.results.assessment_result": "Assessment",
    "howfar.results.backbones_result": "BackboneComparison",
    "howfar.results.certificate_result": "Certificate",
    "howfar.results.check_result": "Check",
    "howfar.results.matrix_result": "Matrix",
    "howfar.results.segmenter_studies": "Prompting",
    "howfar.results.study_run": "StudyRun",
    "howfar.segmenters.checkpoint": "Checkpoint",
    "howfar.store": "Store",
    "howfar.studies.adaptation.adapt": "adapt bakeoff",
    "howfar.studies.assessment.assess_sites": "assess",
    "howfar.studies.certification.certify": "certify",
    "howfar.studies.certification.verify_certificate": "verify",
    "howfar.studies.check.check_site": "check",
    "howfar.studies.backbone_agreement": "compare_backbones",
    "howfar.studies.compare_datasets": "compare",
    "howfar.studies.corruption": "corrupt",
    "howfar.studies.distance_matrix": "matrix",
    "howfar.studies.evaluate_predictions": "evaluate",
    "howfar.studies.feature_export": "export",
    "howfar.studies.label_import": "import_labels",
    "howfar.studies.performance.relate_and_estimate": "relate",
    "howfar.studies.profile_dataset": "profile",
    "howfar.studies.run_report": "load write_report",
    "howfar.studies.select_images": "select",
    "howfar.studies.study_file.run_and_estimate": "study",
    "howfar.training.train": "train",
}
_NAMES = {name: module for module, names in _HOMES.items() for name in names.split()}
_MODULES = ("backbones", "distances", "metrics", "projection", "relation", "sampling", "selection", "significance", "store")

__all__ = [
    "Adaptation", "Assessment", "BackboneComparison", "Certificate", "Check", "Checkpoint", "Comparison", "Dataset",
    "Evaluation", "Features", "HowfarError", "Matrix", "Profile", "Prompting", "Relation", "Selection", "Store", "StudyRun",
    "__version__", "adapt", "assess", "backbones", "bakeoff", "certify", "check", "compare", "compare_backbones", "corrupt",
    "distances", "embed", "evaluate", "export", "import_labels", "load", "load_backbone", "matrix", "metrics", "predict",
    "profile", "projection", "prompts", "relate", "relation", "sampling", "select", "selection", "significance", "store",
    "study", "train", "verify", "write_report",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"howfar.{name}")
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'howfar' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
