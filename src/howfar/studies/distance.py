"""The distance study (table 2, figs 3 and 10): how far is each secondary dataset from the primary one?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from howfar.backbones import as_loaded, load_backbone
from howfar.data import Dataset
from howfar.distances.dataset import self_distance
from howfar.errors import InputError
from howfar.io.location import ready_folder
from howfar.memory import beside, within
from howfar.pipeline import ROUNDING, MeasuredPair, MeasurePairs, check_work, forget_pairs, measured_pairs
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
from howfar.significance import holm
from howfar.studies.comparison_caveats import CONFORMAL, notes
from howfar.studies.preallocated_table import Columns
from howfar.studies.run_folder import write_run
from howfar.studies.study_inputs import BASELINES, Execution, limited, read_datasets, sources_of, views

if TYPE_CHECKING:
    from howfar.protocols import Backbone, Runner
    from howfar.store import Store

DEFAULT = "efficientnet_lite0"


class Config(BaseModel):
    """The study's settings, checked: an unknown or impossible one is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    components: int = Field(25, ge=1, description="principal components kept (z)")
    projection: Literal["pair", "primary", "joint", "none"] = "pair"
    scale: Literal["none", "layers"] = "none"
    seed: int = Field(0, ge=0)
    bootstrap: int = Field(1000, ge=0, description="resamples behind the intervals; 0 leaves them out")
    permutations: int = Field(999, ge=0, description="relabellings behind the p-values; 0 leaves them out")
    neighbours: int = Field(5, ge=1, description="k of the nearest-neighbour distance")
    limit: int | None = Field(None, ge=1, description="images drawn from each larger dataset; all where None")
    rivals: bool = Field(True, description="whether the literature's dataset distances are measured beside ours")

    @classmethod
    def checked(cls, **values: Any) -> Settings:
        """Settings from keyword values; the first refused one becomes one clear line.

        Raises
        ------
        InputError
            Names the setting, the rule and the value.
        """
        try:
            return Settings(**cls(**values).model_dump())
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise InputError.of(name, f"is refused ({first['msg']})", first["input"]) from error


def compare(
    primary: Any,
    secondaries: Any,
    backbone: str | Backbone = DEFAULT,
    *,
    store: Store | str | Path | None = None,
    runner: str | Runner = "local",
    batch_size: int | None = None,
    workers: int | None = None,
    baselines: bool = True,
    progress: bool = True,
    components: int = 25,
    projection: str = "pair",
    scale: str = "none",
    seed: int = 0,
    bootstrap: int = 1000,
    permutations: int = 999,
    neighbours: int = 5,
    limit: int | None = None,
    rivals: bool = True,
    memory: str | int | None = None,
    out: str | Path | None = None,
    **options: Any,
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
    store, runner, batch_size, workers, progress
        As `howfar.embed`.
    baselines
        Measure with the two trivial backbones too (raw pixels, colour moments).
    components, projection, scale
        z; "pair" (the paper), "primary", "joint" or "none"; "none" or "layers": as `howfar.projection.project`.
    seed, bootstrap, permutations, neighbours
        Seed of the resampling; resamples behind intervals; relabellings behind p-values; k of the kNN distance.
    limit
        At most this many images of each dataset, drawn at random with `seed`. In "pair" projection a small S has little
        say in the components, so sets of different sizes are best compared at one size.
    rivals
        False leaves out the literature's dataset distances (Fréchet, KID, MMD, sliced Wasserstein), which take most of the time
        where sets are of thousands of images.
    memory
        What howfar's own arrays may take at a time, as "2GB" or in bytes; no bound by default. Blocks and batches are made to
        fit, which changes nothing beyond rounding; a run that cannot fit is refused before it begins.
    out
        A run folder: secondaries are kept there as they are measured, so that a run that was killed goes on where it was, and
        the result is written there. None keeps nothing on disk.
    **options
        Passed to `howfar.load_backbone`: device, weights, pool, fit, via.

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
    settings = Config.checked(
        components=components,
        projection=projection,
        scale=scale,
        seed=seed,
        bootstrap=bootstrap,
        permutations=permutations,
        neighbours=neighbours,
        limit=limit,
        rivals=rivals,
    )
    work = Execution(store, check_work(runner, batch_size, workers), batch_size, workers, progress)
    folder = ready_folder("out", out)
    with within(memory):
        given = read_datasets(primary, secondaries)
        datasets = [limited(dataset, settings) for dataset in given]
        model = _model(datasets, backbone, options, work)
        if model is None:
            main = _ready(datasets)
            found = compared(main, _name(main), settings, work, out=folder)
        else:
            trivial = [load_backbone(one) for one in BASELINES if baselines and one != model.name]
            main, *others = views(datasets, [model], trivial, settings, work)
            rows = [
                row for one, view in zip(trivial, others, strict=True) for row in baseline(one.name, view, settings, work).rows
            ]
            found = compared(main, model.name, settings, work, tuple(rows), folder)
    loaded = {} if model is None else as_loaded(backbone, options)
    found = replace(found, options=loaded, sources=sources_of(given, primary, secondaries))
    if folder is not None:
        write_run(found, folder)
        forget_pairs(folder)
    return found


def features_of(
    datasets: Sequence[Dataset | Features],
    backbone: str | Backbone,
    options: Mapping[str, Any],
    settings: Settings,
    work: Execution,
) -> tuple[tuple[Features, ...], str]:
    """All datasets as features of one kind, by the backbone or ready-made, and what made them.

    Raises
    ------
    HowfarError
        As `compare`.
    """
    model = _model(datasets, backbone, options, work)
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


def _model(
    datasets: Sequence[Dataset | Features], backbone: str | Backbone, options: Mapping[str, Any], work: Execution
) -> Backbone | None:
    """The backbone to run: none where all datasets are ready-made embeddings."""
    ready = [dataset.name for dataset in datasets if isinstance(dataset, Features)]
    if ready and len(ready) < len(datasets):
        raise InputError.of("datasets", "must be all images or all embeddings", f"embeddings: {', '.join(ready)}")
    if not ready and isinstance(backbone, str):
        return load_backbone(backbone, **options)
    if ready and bool(getattr(work.runner, "gpus", 0)):
        # The device is that of the runner's tasks: the command line says so, not the user.
        options = {name: value for name, value in options.items() if (name, value) != ("device", "cpu")}
    if options:
        reason = "ready-made embeddings" if ready else "a backbone that is loaded already"
        raise InputError.of("options", f"are of no use to {reason}", ", ".join(options), "leave them out")
    if not isinstance(backbone, str):
        return None if ready else backbone
    if backbone not in (DEFAULT, "embeddings"):
        raise InputError.of("backbone", "must be left out where all datasets are embeddings", backbone)
    return None


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
