"""Choose between random and far by what was found of the run: no strategy beat random where performance does not fall."""

from __future__ import annotations

from pathlib import Path

from howfar.errors import StoreError
from howfar.results import Comparison, Relation

AUTO = "auto"


def relation_of(comparison: Comparison, folder: Path | None) -> Relation | None:
    """Read the relation on record in a run folder; None where there is none.

    Raises `StoreError` where it is damaged or of another run.
    """
    if folder is None or not (folder / Relation.DOCUMENT).is_file():
        return None
    relation = Relation.load(folder)
    if relation.parents and comparison.run_id not in relation.parents:
        raise StoreError(f"{folder}: relation.json is of another run than result.json: run relate again")
    return relation


def chosen_strategy(relation: Relation | None, dataset: str) -> tuple[str, str]:
    """Return the name of the strategy for a dataset, and one line that says why.

    It is ``far`` where `howfar.relate` says that performance falls with distance, of the dataset itself where that is labelled
    and else over all labelled ones; in every other case ``random``.

    Examples
    --------
    >>> chosen_strategy(None, "site")
    ('random', 'auto took random: howfar relate has not said of this run that performance falls with distance')
    """
    if relation is None:
        return "random", "auto took random: howfar relate has not said of this run that performance falls with distance"
    own = next((each.verdict for each in relation.datasets if each.name == dataset), None)
    verdict, where = (own, dataset) if own is not None else (relation.pooled_verdict, "the labelled datasets")
    if verdict is None:
        return "random", "auto took random: howfar relate has no verdict on this run"
    if verdict.kind == "falls":
        return "far", f"auto took far: howfar relate says that performance falls with distance in {where}"
    words = {"rises": "rises with distance", "consistent": "is consistent over distance"}
    found = f"that performance {words[verdict.kind]}" if verdict.kind in words else "there is no evidence either way"
    return "random", f"auto took random: howfar relate says {found} in {where}"
