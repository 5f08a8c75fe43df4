"""The distance study (table 2, figs 3 and 10): how far is each secondary dataset from the primary one?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from howfar.backbones import as_loaded, load_backbone
from howfar.data import Dataset
from howfar.distances.dataset import self_distance
from howfar.errors import InputError
from howfar.io.location import ready_folder
from howfar.keywords import BackboneOptions, CompareOptions, CompareSettings
from howfar.memory import beside, within
from howfar.options import DEFAULT_BACKBONE
from howfar.pipeline import ROUNDING, MeasuredPair, MeasurePairs, forget_pairs, measured_pairs
from howfar.pipeline.memory_plan import check_plan, kept
from howfar.progress import bar
from howfar.projection import Projector
from howfar.results import (
    BackboneSummary,
    BaselineSummary,
    Comparison,
    DatasetSummary,
    Features,
    Leak,
    PrimarySummary,
    Provenance,
    Settings,
)
from howfar.settings import checked, picked, with_options
from howfar.significance import holm
from howfar.studies.comparison_caveats import CONFORMAL, notes
from howfar.studies.preallocated_table import Columns
from howfar.studies.run_folder import write_run
from howfar.studies.study_inputs import BASELINES, Execution, limited, loaded, read_datasets, sources_of, views

if TYPE_CHECKING:
    from howfar.protocols import Backbone


@with_options(CompareOptions)
def compare(
    primary: Any, secondaries: Any, backbone: str | Backbone = DEFAULT_BACKBONE, **options: Unpack[CompareOptions]
) -> Comparison:
    """Measure how far each secondary dataset is from the primary one (I^dist and O^dist, eq. 2-7), and how sure that is.

    Parameters
    ----------
    primary
        P: a folder of images, ``NAME=PATH``, a table, a `Dataset`, ready-made embeddings (file or array).
    secondaries
        One such, a list of them, or a mapping from name to them.
    backbone
        A registered name (see ``howfar backbones``) or a loaded backbone. Not used where all are embeddings.

    Returns
    -------
    Comparison
        Shows as its table; ``.to_frame()``, ``.images``, ``.plot``, ``.save(folder)``.

    Raises
    ------
    HowfarError
        A dataset that is missing, empty or unreadable, two datasets of one name, an unknown name or setting, or a folder that
        cannot be written to.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = compare(rng.normal(size=(50, 8)), {"same": rng.normal(size=(40, 8)), "far": rng.normal(3, 1, size=(30, 8))})
    >>> [f"{d.name} {d.relative:.2f} {d.p_value < 0.05}" for d in found.datasets]
    ['same 1.00 False', 'far 2.33 True']
    """
    given = checked(CompareOptions, options)
    settings = Settings(**picked(CompareSettings, given))
    work = Execution.of(given)
    folder, loading = ready_folder("out", given["out"]), picked(BackboneOptions, options)
    with within(given["memory"]):
        read = read_datasets(primary, secondaries)
        datasets = [limited(dataset, settings) for dataset in read]
        model = loaded(datasets, backbone, loading, work.runner)
        if model is None:
            main = _ready(datasets)
            found = compared(main, _name(main), settings, work, out=folder)
        else:
            trivial = [load_backbone(name) for name in BASELINES if given["baselines"] and name != model.name]
            main, *others = views(datasets, [model], trivial, settings, work)
            rows = [
                row for one, view in zip(trivial, others, strict=True) for row in baseline(one.name, view, settings, work).rows
            ]
            found = compared(main, model.name, settings, work, tuple(rows), folder)
    described = {} if model is None else as_loaded(backbone, loading)
    found = replace(found, options=described, sources=sources_of(read, primary, secondaries))
    if folder is not None:
        write_run(found, folder)
        forget_pairs(folder)
    return found


def features_of(
    datasets: Sequence[Dataset | Features],
    backbone: str | Backbone,
    options: BackboneOptions,
    settings: Settings,
    work: Execution,
) -> tuple[tuple[Features, ...], str]:
    """All datasets as features of one kind, by the backbone or ready-made, and what made them.

    Raises
    ------
    HowfarError
        As `compare`.
    """
    model = loaded(datasets, backbone, options, work.runner)
    if model is None:
        main = _ready(datasets)
        return main, _name(main)
    (main,) = views(datasets, [model], [], settings, work)
    return main, model.name


def _ready(datasets: Sequence[Dataset | Features]) -> tuple[Features, ...]:
    main = tuple(dataset for dataset in datasets if isinstance(dataset, Features))
    _check_comparable(main)
    return main


def _name(main: Sequence[Features]) -> str:
    return str(main[0].identity.get("name", "embeddings"))


def _check_comparable(main: Sequence[Features]) -> None:
    for other in main[1:]:
        if dict(other.identity) != dict(main[0].identity):
            raise InputError.of(
                other.name, f"must hold the same features as {main[0].name}", dict(other.identity), "use one backbone for all"
            )


def compared(
    features: Sequence[Features],
    name: str,
    settings: Settings,
    work: Execution,
    baselines: tuple[BaselineSummary, ...] = (),
    out: Path | None = None,
) -> Comparison:
    """The study itself: P's features first, then each secondary's, by the backbone `name`."""
    primary, *secondaries = features
    sizes, q = [len(one) for one in features], primary.rows.shape[1]
    pairs = MeasurePairs(primary, secondaries, settings)
    with beside(kept(sizes, q, settings)):
        check_plan(sizes, q, len(primary.layers), settings, executor=work.runner)
        images, measured = Columns(sum(map(len, secondaries))), list[MeasuredPair]()
        each = measured_pairs(pairs, work.runner, out)
        shown = bar(
            each, progress=work.progress, patient=True, total=len(secondaries), unit="pair", desc=f"distances by {name}"
        )
        for s, one in zip(secondaries, shown, strict=True):
            images.add(len(s), _image_columns(s, len(primary), one))
            # The table holds the components by now.
            measured.append(replace(one, secondary_scores=one.secondary_scores[:0].copy()))
    raw = [one.p_value for one in measured]
    total = sum(float(one.found.i_dist.mean()) for one in measured)
    summaries = [
        _summary(s, len(primary), one, adjusted, total)
        for s, one, adjusted in zip(secondaries, measured, holm(raw), strict=True)
    ]
    leaks = tuple(leak for s in secondaries for leak in _leaks(primary, s))
    of_primary = Columns(len(primary) * len(secondaries))
    for s, one in zip(secondaries, measured, strict=True):
        of_primary.add(len(primary), _primary_columns(primary, s.name, one))
    return Comparison(
        primary=PrimarySummary(primary.name, len(primary), _self_distance(pairs.projector, measured, settings)),
        backbone=BackboneSummary(name, q, tuple(primary.layers), primary.identity),
        settings=settings,
        datasets=tuple(summaries),
        images=images.frame(),
        primary_images=of_primary.frame(),
        provenance=Provenance.now(),
        baselines=baselines,
        skipped=tuple(skipped for one in features for skipped in one.skipped),
        leaks=leaks,
        notes=tuple(notes(features, measured, leaks, settings, bool(baselines))),
    )


def _self_distance(projector: Projector, measured: Sequence[MeasuredPair], settings: Settings) -> float | None:
    """O(P, P) in the subspace that all pairs share, or where each has its own, in P's."""
    own = measured[0].found.own
    if own is None or settings.projection != "pair":
        return None if own is None else float(own.mean())
    return self_distance(projector.own())


def _summary(s: Features, n: int, one: MeasuredPair, p_value: float | None, total: float) -> DatasetSummary:
    found = one.found
    mean = float(found.i_dist.mean())
    return DatasetSummary(
        name=s.name,
        n=len(s),
        o_dist=n * mean,
        o_dist_mean=mean,
        o_dist_mean_ci=found.o_dist_ci,
        o_dist_scaled=mean / total if total > 0 else 0.0,
        self_distance=None if found.own is None else float(found.own.mean()),
        relative=found.relative,
        relative_ci=found.relative_ci,
        energy=found.energy,
        energy_ci=found.energy_ci,
        p_value=p_value,
        p_value_raw=one.p_value,
        beyond=None if found.conformal is None or n < CONFORMAL else float((found.conformal <= 0.05).mean()),
        components=one.components,
        explained_variance=one.explained_variance,
        rivals=found.rivals,
    )


def _image_columns(s: Features, n: int, one: MeasuredPair) -> dict[str, Any]:
    found = one.found
    low, high = found.i_dist.min(), found.i_dist.max()
    spread = high - low
    undefined = np.full(len(s), np.nan)
    return {
        "dataset": s.name,
        "image": s.images,
        "path": s.paths,
        "content": s.contents,
        "i_dist": n * found.i_dist,
        "i_dist_mean": found.i_dist,
        "i_dist_scaled": (found.i_dist - low) / spread if spread > ROUNDING * high else np.zeros(len(s)),
        "knn": found.knn,
        "mahalanobis": undefined if found.mahalanobis is None else found.mahalanobis,
        "percentile": undefined if found.percentile is None else found.percentile,
        "p_value": undefined if found.conformal is None else found.conformal,
        **{f"pc{number}": column for number, column in enumerate(one.secondary_scores.T, start=1)},
    }


def _primary_columns(primary: Features, against: str, one: MeasuredPair) -> dict[str, Any]:
    return {
        "against": against,
        "image": primary.images,
        "path": primary.paths,
        "content": primary.contents,
        "i_dist_mean": np.full(len(primary), np.nan) if one.found.own is None else one.found.own,
        "pc1": one.primary_plane[:, 0],
        "pc2": one.primary_plane[:, 1],
    }


@dataclass(frozen=True)
class Baseline:
    """What a trivial backbone measured: a row a secondary, and I^dist (mean form) of each image by secondary and image."""

    rows: tuple[BaselineSummary, ...]
    images: Mapping[str, pd.Series]


def baseline(name: str, features: Sequence[Features], settings: Settings, work: Execution) -> Baseline:
    """A trivial backbone's distances, by the projection that the model's were measured with."""
    primary, *secondaries = features
    plain = replace(settings, bootstrap=0, permutations=0, rivals=False)
    each = measured_pairs(MeasurePairs(primary, secondaries, plain), work.runner)
    shown = bar(each, progress=work.progress, patient=True, total=len(secondaries), unit="pair", desc=f"distances by {name}")
    measured = list(shown)
    means = [float(one.found.i_dist.mean()) for one in measured]
    total = sum(means)
    return Baseline(
        tuple(
            BaselineSummary(name, s.name, mean / total if total > 0 else 0.0, one.found.relative, one.found.energy)
            for s, one, mean in zip(secondaries, measured, means, strict=True)
        ),
        {s.name: pd.Series(one.found.i_dist, index=list(s.images)) for s, one in zip(secondaries, measured, strict=True)},
    )


def _leaks(primary: Features, s: Features) -> Iterator[Leak]:
    known = dict(zip(reversed(primary.contents), reversed(primary.images), strict=True))
    for content, image in zip(s.contents, s.images, strict=True):
        if content in known:
            yield Leak(s.name, image, known[content], content)
