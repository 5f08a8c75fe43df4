"""List, name and colour the models of an adaptation study for figures and tables."""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import pandas as pd

from howfar.errors import InputError
from howfar.figures import style
from howfar.results.adaptation_result import BASELINE, F_ODS, F_OWN, Adaptation
from howfar.results.display_and_shared_records import matching

RANDOM = "random"
PLAIN = style.Look(style.PRIMARY, "-", "o")
Measure: TypeAlias = Literal["f_ods", "f"]
"""Which F a figure shows: at each dataset's own best threshold, as in the paper, or at each model's own."""
AS_IN_PAPER = "as section 3.3 of the paper measures, so that it can be held beside the paper's figure"
CAUTION = "That threshold looks at the dataset's labels, which a new site does not have; gains are at models' own thresholds"
CHANGE: Final = ("change", "low", "high")
"""The columns of a change of false positives in ``adaptation.suppression``."""


def strategies(adaptation: Adaptation) -> list[str]:
    """List the strategies of the study's models, in the order of its settings' arms."""
    return list(dict.fromkeys(str(name) for name in adaptation.models["strategy"].dropna()))


def strategy_of(adaptation: Adaptation, strategy: str | None = None) -> str:
    """Return the requested strategy, which must have models (else `InputError`), by default the first other than random."""
    names = strategies(adaptation)
    if strategy is not None and strategy not in names:
        raise InputError.of("strategy", f"must be one of the study's ({', '.join(names)})", strategy)
    return strategy or next((name for name in names if name != RANDOM), RANDOM)


def check_measure(measure: Measure) -> None:
    """Raise `InputError` for a measure other than "f_ods" and "f"."""
    if measure not in (F_ODS, F_OWN):
        raise InputError.of("measure", f"must be {F_ODS!r} (the paper's) or {F_OWN!r} (at each model's own threshold)", measure)


def image_measure(adaptation: Adaptation, measure: Measure | None = None) -> Measure:
    """Return the requested F of images, by default the paper's; an earlier version's study holds only the models' own."""
    held = F_ODS in adaptation.images
    if measure is None:
        return "f_ods" if held else "f"
    check_measure(measure)
    if measure == F_ODS and not held:
        rule = "needs F at the datasets' own thresholds, which an earlier version did not write"
        raise InputError.of("measure", rule, measure, "run howfar adapt in the study's folder again, which trains nothing anew")
    return measure


def arms(adaptation: Adaptation) -> pd.DataFrame:
    """Return a table with a row per adapted model (model, strategy, shots, background), in training order."""
    adapted = adaptation.models[adaptation.models["model"] != BASELINE]
    return adapted.drop_duplicates("model")[["model", "strategy", "shots", "background"]].reset_index(drop=True)


def by_shots(adaptation: Adaptation, strategy: str) -> list[str]:
    """List a strategy's models without background by increasing shots."""
    return list(matching(arms(adaptation), strategy=strategy, background=0).sort_values("shots", kind="stable")["model"])


def by_background(adaptation: Adaptation, strategy: str) -> list[str]:
    """List a strategy's most-shots model and its versions with background, by increasing background; [] without any."""
    models = matching(arms(adaptation), strategy=strategy)
    added = models["background"] > 0
    models = models[added | (models["shots"] == models.loc[added, "shots"].max())]
    return list(models.sort_values("background", kind="stable")["model"])


def looks(adaptation: Adaptation) -> dict[str, style.Look]:
    """Return every model's look: grey if unadapted, else a colour by its numbers of shots and background images."""
    rows = arms(adaptation).to_dict("records")
    look_of = {kind: style.look(k) for k, kind in enumerate(sorted({_kind(row) for row in rows}))}
    return {BASELINE: PLAIN, **{str(row["model"]): look_of[_kind(row)] for row in rows}}


def row_name(result: Adaptation, segmenter: str, model: str, between: str = " · ") -> str:
    """Name a model in a figure's row, with its segmenter before it if there are several."""
    return f"{segmenter}{between}{model}" if len(result.segmenters) > 1 else model


def trained_models(result: Adaptation) -> list[tuple[str, str]]:
    """List every segmenter's models by segmenter and name: the unadapted one, then those of `arms`."""
    models = [BASELINE, *arms(result)["model"]]
    known = set(zip(result.models["segmenter"], result.models["model"], strict=True))
    return [(name, model) for name in result.segmenters for model in models if (name, model) in known]


def seeds_of(adaptation: Adaptation, models: Sequence[str]) -> list[int]:
    """List the seeds in which all of these models were trained; models without a common seed have all of theirs."""
    trained = adaptation.models[adaptation.models["model"].isin(models)]
    sets = [set(rows["seed"].tolist()) for _, rows in trained.groupby(["segmenter", "model"])]
    return sorted(set.intersection(*sets) or set.union(*sets)) if sets else []


def seeds_text(seeds: Sequence[int]) -> str:
    """State the number of seeds in a figure."""
    return "one seed" if len(seeds) == 1 else f"means over {len(seeds)} seeds"


def scored(adaptation: Adaptation) -> list[str]:
    """List the datasets with an image F: secondaries, then blind sets with masks."""
    datasets = set(adaptation.images.loc[adaptation.images["f"].notna(), "dataset"])
    return [name for name in (*adaptation.secondaries, *adaptation.blind) if name in datasets]


def _kind(row: Any) -> tuple[bool, int, int]:
    return row["background"] > 0, int(row["shots"]), int(row["background"])


def as_called(models: Sequence[str]) -> str:
    """State the models' names in the paper: M_7 is far-7, M_B3 is far-7-B3."""
    names = [f"{model} is M{model.rpartition('-')[2]}" for model in models if model != BASELINE]
    return f"In the paper {', '.join(names)}."


def study_note(result: Adaptation, rest: str) -> str:
    """Return a figure's note: the segmenter if there is only one, the primary dataset, and `rest`."""
    segmenters, primary = result.segmenters, style.name_text(result.primary)
    return f"{style.name_text(segmenters[0])} on {primary}{rest}" if len(segmenters) == 1 else f"Trained on {primary}{rest}"
