"""Define the results of all commands: frozen records with provenance, which figures, reports and the explorer read.

Long tables (one row an image) are pandas frames beside the records; a run folder keeps them as Parquet.
"""

from howfar.results.comparison_result import (
    BackboneSummary,
    BaselineSummary,
    Comparison,
    DatasetSummary,
    PrimarySummary,
    Settings,
)
from howfar.results.display_and_shared_records import Features, Interval, Leak, Provenance, Skipped
from howfar.results.evaluation_result import Evaluation
from howfar.results.relation_result import (
    Choice,
    DatasetRelation,
    DistancePart,
    Failures,
    Judgement,
    Relation,
    RelationSettings,
    SetEstimate,
    Trend,
    TrendVerdict,
)
from howfar.results.selection_and_label_import import Pick, Selection

__all__ = [
    "BackboneSummary", "BaselineSummary", "Choice", "Comparison", "DatasetRelation", "DatasetSummary", "DistancePart",
    "Evaluation", "Failures", "Features", "Interval", "Judgement", "Leak", "Pick", "PrimarySummary", "Provenance", "Relation",
    "RelationSettings", "Selection", "SetEstimate", "Settings", "Skipped", "Trend", "TrendVerdict",
]  # fmt: skip
