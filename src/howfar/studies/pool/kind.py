"""Compare the models of a study of adaptation: which of them suits which wish, and how sure is that?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from howfar import options
from howfar.errors import InputError
from howfar.results import Provenance
from howfar.results.adaptation import BASELINE, Adaptation
from howfar.results.adaptations import Adaptations
from howfar.results.pool import WEIGHTED, WISHES, Pool
from howfar.settings import nearest
from howfar.studies.distance import compare
from howfar.studies.pool.costs import costs_of, hardware, timings_of
from howfar.studies.pool.counted_maps import Trained, count_maps, trainings
from howfar.studies.pool.draws import Drawn, draw_scores
from howfar.studies.pool.tables import labels_of, scores_of, spreads_of
from howfar.studies.pool.wishes import Wished, complete, fast, frugal, is_timed, precise, stable, table_of, weighted
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import Kind, KindSettings, Reference, Work, setting

_FEWEST_MODELS = 2


class PoolSettings(KindSettings):
    """Hold the settings of the study of the pool of models."""

    of: Annotated[str, Reference("studies", kind="adaptation")] = Field(
        description="The study of adaptation whose models are compared."
    )
    wish: str | tuple[str, ...] | dict[str, float] = Field(
        WISHES,
        description="One of precision, recall, few labels, stable, fast, or a list: a ranking for each. With weights "
        "({recall = 2, fast = 1}) there is a further ranking, by the weighted mean of ranks.",
    )
    strategy: str = Field("", description="The strategy whose models are compared; by default the study's first.")
    level: float = Field(0.5, gt=0, lt=1, description="The mean F that counts as reached.")
    bootstrap: int = setting(options.Bootstrap, ge=2, description="Draw this many resamples for the intervals.")
    seed: int = setting(options.Seed)
    flat: float = setting(options.Flat)

    def weights(self) -> dict[str, float]:
        """Return the wishes' weights, where any were given."""
        return dict(self.wish) if isinstance(self.wish, dict) else {}

    def wishes(self) -> tuple[str, ...]:
        """Return the wishes, in their order."""
        return (self.wish,) if isinstance(self.wish, str) else tuple(self.wish)


def _check(settings: PoolSettings, inputs: Inputs) -> None:
    wishes = settings.wishes()
    for wish in wishes:
        if wish not in WISHES:
            raise InputError.of("wish", f"must be one of {', '.join(WISHES)}", wish, nearest(wish, list(WISHES), "wishes"))
    if not wishes or len(set(wishes)) < len(wishes):
        raise InputError.of("wish", "must name different wishes, at least one", list(wishes))
    if any(not 0 < share < np.inf for share in settings.weights().values()):
        raise InputError.of("wish", "must have weights above 0", settings.weights())
    studied = next(planned.settings for planned in inputs.file.studies if planned.name == settings.of)
    if len(studied.models) < _FEWEST_MODELS:
        remedy = f"name further models in studies.{settings.of}"
        raise InputError.of("of", "must be a study of at least two models", list(studied.models), remedy)
    if settings.strategy and settings.strategy not in studied.strategies:
        remedy = nearest(settings.strategy, list(studied.strategies), "strategies")
        raise InputError.of("strategy", f"must be one of studies.{settings.of}", settings.strategy, remedy)


def _run(settings: PoolSettings, inputs: Inputs) -> Pool:
    adapted = inputs.results[settings.of]
    assert isinstance(adapted, Adaptations)  # the reference names a study of this kind
    studies, first = dict(adapted.runs()), adapted.first
    folders = {model: inputs.folders[settings.of] / model for model in studies}
    strategy = settings.strategy or str(first.settings["strategies"][0])
    blind = _blind(first)
    progress = inputs.execution.progress
    counted = count_maps(studies, folders, strategy, (*first.secondaries, *blind), progress=progress)
    drawn = draw_scores(counted, _thresholds(studies, strategy), settings.bootstrap, settings.seed)
    files = {model: folder / _first_model(first) for model, folder in folders.items()}
    costs, checkpoints = costs_of(files)
    timings = timings_of(checkpoints, inputs.dataset(first.secondaries[0]), inputs.device, progress=progress)
    wished = _wished(settings, drawn, first.secondaries, blind, timings)
    return Pool(
        of=settings.of,
        strategy=strategy,
        primary=first.primary,
        secondaries=first.secondaries,
        blind=blind,
        models=adapted.models,
        shots=drawn.shots,
        seeds=tuple(int(each) for each in first.settings["seeds"]),
        wishes=settings.wishes(),
        weights=settings.weights(),
        level=settings.level,
        flat=settings.flat,
        bootstrap=settings.bootstrap,
        tuned=all(bool(study.models["held_out_ods"].notna().all()) for study in studies.values()),
        hardware=hardware(inputs.device),
        scores=scores_of(drawn, counted, studies, strategy, settings.level, settings.flat),
        labels=labels_of(drawn, first.secondaries, settings.level),
        spreads=spreads_of(drawn, first.secondaries),
        distances=_distances(studies, files, folders, inputs),
        costs=costs,
        timings=timings,
        rankings=_ranked(wished, drawn.models, settings, timed=False),
        timed_rankings=_ranked(wished, drawn.models, settings, timed=True),
        provenance=Provenance.now(),
    )


def _ranked(wished: Mapping[str, Wished], models: tuple[str, ...], settings: PoolSettings, *, timed: bool) -> pd.DataFrame:
    """Make the table of the rankings that depend on the time that models took, or of the others."""
    return table_of({wish: each for wish, each in wished.items() if is_timed(wish, settings.weights()) == timed}, models)


def _first_model(study: Adaptation) -> str:
    """Give the place of the first seed's M below a study's folder."""
    return f"models/seed{study.settings['seeds'][0]}/{BASELINE}.safetensors"


def _blind(study: Adaptation) -> tuple[str, ...]:
    """Name the blind datasets that have masks to be scored by."""
    return tuple(name for name in study.blind if (study.images.loc[study.images["dataset"] == name, "mask"] != "").any())


def _thresholds(studies: Mapping[str, Adaptation], strategy: str) -> dict[Trained, float]:
    """Return the threshold of every training: tuned on P's held-out photographs, or 0.5 where there were none."""
    thresholds = {}
    for model, study in studies.items():
        tuned = study.models.set_index(["seed", "model"])["threshold"]
        for training, label in trainings(model, study, strategy).items():
            thresholds[training] = float(tuned.loc[(training.seed, label)])
    return thresholds


def _wished(
    settings: PoolSettings, drawn: Drawn, secondaries: tuple[str, ...], blind: tuple[str, ...], timings: pd.DataFrame
) -> dict[str, Wished]:
    """Score the models under every wish that is asked for, and under all at once where weights are given."""
    make: Mapping[str, Any] = {
        "precision": lambda: precise(drawn, secondaries),
        "recall": lambda: complete(drawn, secondaries),
        "few labels": lambda: frugal(drawn, secondaries, settings.level),
        "stable": lambda: stable(drawn, (*secondaries, *blind)),
        "fast": lambda: fast(timings, drawn.models, settings.bootstrap, settings.seed),
    }
    wished: dict[str, Wished] = {wish: make[wish]() for wish in settings.wishes()}
    return {**wished, WEIGHTED: weighted(wished, settings.weights())} if settings.weights() else wished


def _distances(
    studies: Mapping[str, Adaptation], files: Mapping[str, Path], folders: Mapping[str, Path], inputs: Inputs
) -> pd.DataFrame:
    """Measure O^dist of the secondary datasets by each model's own features, which its study of adaptation kept."""
    rows = []
    for model, study in studies.items():
        run = compare(
            inputs.dataset(study.primary),
            inputs.datasets(study.secondaries),
            study.segmenter,
            weights=files[model],
            components=study.settings["components"],
            bootstrap=0,
            permutations=0,
            rivals=False,
            baselines=False,
            device=inputs.device,
            **{**inputs.keywords, "store": folders[model] / "store"},
        )
        for each in run.datasets:
            values = {"o_dist_mean": each.o_dist_mean, "o_dist_scaled": each.o_dist_scaled, "relative": each.relative}
            rows.append({"model": model, "dataset": each.name, **values})
    return pd.DataFrame(rows)


def _work(settings: PoolSettings, inputs: Inputs) -> Work:
    """Count nothing: maps and features are those of the study of adaptation, and only a few images are timed."""
    return Work()


POOL = Kind(
    name="pool",
    title="Which model suits which wish?",
    summary="Precision, recall, labels needed, stability and cost of models, ranked by wish (contribution d, section 6).",
    settings=PoolSettings,
    run=_run,
    result=Pool,
    work=_work,
    check=_check,
)
