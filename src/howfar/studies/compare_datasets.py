"""Measure the distance of each new dataset from the primary one (`howfar compare`; table 2, figs. 3 and 10 of the paper)."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import group_numbers
from howfar.backbones import BackboneArgument, as_loaded, load_backbone
from howfar.data import Dataset, DatasetArgument, DatasetsArgument
from howfar.data.image_groups_and_variations import grouped
from howfar.distances.mean_distances import self_distance
from howfar.errors import InputError
from howfar.experiment_tracking import Log, check_tracker, log_result
from howfar.image_reading_options import READING, PixelReading
from howfar.memory import beside, within
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import BackboneOptions, CompareOptions, CompareSettings
from howfar.pipeline.distance_bootstrap import ROUNDING
from howfar.pipeline.pair_measurement import (
    CONFORMAL,
    FOLDER,
    MeasuredPair,
    MeasurePairs,
    check_plan,
    forget_pairs,
    kept,
    measured_pairs,
)
from howfar.pipeline.primary_reference import GATE_COLUMNS, PrimaryReference
from howfar.progress import bar, doing
from howfar.protocols import Backbone
from howfar.results import Comparison, Features, Leak, Provenance, Relation, Settings
from howfar.results.checksums_and_overwrite_guard import page_folder
from howfar.results.comparison_result import BackboneSummary, BaselineSummary, DatasetSummary, PrimarySummary
from howfar.significance import holm
from howfar.significance.bootstrap import few_groups, single_group
from howfar.store import local_root
from howfar.studies import study_inputs as inputs
from howfar.studies.column_slices import check_columns, columns_of, with_slices
from howfar.studies.image_umap import check_map, keep_map
from howfar.studies.near_duplicates import CopySearch, hashing, without_leaks
from howfar.studies.run_report import draw

LARGE: Final = 1 << 28
"""Products of a projection, from which on a pair is kept: some hundredths of a second."""
MOST: Final = 1000
"""Pairs that are left when another comparison begins."""
NOTHING: Final[NDArray[Any]] = np.empty((0, 0))
_NAME: Final = "baselines"


RELATED = "The relation in this folder was of the comparison before, and went with it: run howfar relate again."


@with_options(CompareOptions)
def compare(
    primary: DatasetArgument,
    secondaries: DatasetsArgument,
    backbone: BackboneArgument = DEFAULT_BACKBONE,
    **options: Unpack[CompareOptions],
) -> Comparison:
    """Measure each secondary dataset's distance from the primary one (I^dist and O^dist, eq. 2-7), with intervals.

    Parameters
    ----------
    primary
        P, as `howfar.data.parse` takes it: a folder of images, ``NAME=PATH``, a table, a `Dataset`, ready-made embeddings (file
        or array), or images in memory: a list, an array, a data frame, a dataset of torch or Hugging Face.
    secondaries
        One such, a list of them, or a mapping from name to them. A list of images is one dataset.
    backbone
        A registered name (see ``howfar backbones``), a torch module, a function of a batch, or a loaded backbone
        (`howfar.backbones.as_backbone`). Not used where all are embeddings.

    Raises
    ------
    HowfarError
        A dataset that is missing, empty or unreadable, two datasets of one name, an unknown name or setting, or a folder that
        cannot be written to.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> result = compare(rng.normal(size=(50, 8)), {"same": rng.normal(size=(40, 8)), "far": rng.normal(3, 1, size=(30, 8))})
    >>> [f"{d.name} {d.relative:.2f} {d.p_value < 0.05}" for d in result.datasets]
    ['same 1.00 False', 'far 2.33 True']
    """
    given = checked(CompareOptions, options)
    columns_of(given["by"])
    check_tracker(given["log"])
    folder = page_folder("out", given["out"], Comparison.COMMAND)
    check_map(given["map"], folder)
    related = folder is not None and (folder / Relation.DOCUMENT).is_file()
    result, features = measured_run(primary, secondaries, backbone, folder, options, (RELATED,) if related else ())
    if folder is not None:
        result.save(folder)
        keep_map(result, given["map"], features)
        draw(result, folder)
        forget_pairs(folder)
    log_result(Log.of(given["log"], f"compare {result.primary.name}"), picked(CompareSettings, given), result.to_dict())
    return result


def measured_run(
    primary: DatasetArgument,
    secondaries: DatasetsArgument,
    backbone: BackboneArgument,
    folder: Path | None,
    options: CompareOptions,
    notes: tuple[str, ...] = (),
) -> tuple[Comparison, Callable[[], tuple[Features, ...]]]:
    """Measure a comparison as `compare` does, without saving it; also return a function that gives the features."""
    given = checked(CompareOptions, options)
    settings = Settings(**picked(CompareSettings, given), by=columns_of(given["by"]))
    execution, loading = inputs.Execution.of(given), picked(BackboneOptions, options)
    with within(given["memory"]):
        doing("reading the datasets")
        read, datasets = read_and_drawn(primary, secondaries, settings, folder)
        doing("loading the backbone")
        model = inputs.loaded(datasets, backbone, loading, execution.runner)
        trivial = [load_backbone(name) for name in inputs.BASELINES if model and given["baselines"] and name != model.name]
        models = [] if model is None else [model]

        doing("measuring distances, and looking for copies")
        (result,), _ = compared_by(models, trivial, datasets, settings, execution, folder)
    described = {} if model is None else as_loaded(backbone, loading)
    sources = inputs.sources_of(read, [primary], secondaries)
    result = replace(result, options=described, sources=sources, notes=(*result.notes, *notes))
    return inputs.keep_pictures(result, read), lambda: features_of(datasets, backbone, loading, settings, execution)[0]


def read_and_drawn(
    primary: DatasetArgument, secondaries: DatasetsArgument, settings: Settings, folder: Path | None
) -> tuple[list[Dataset | Features], list[Dataset | Features]]:
    """Read a comparison's datasets, complete and subsampled; check the run folder and slice columns."""
    read = inputs.read_datasets(primary, secondaries)
    inputs.check_out(folder, read)
    datasets = [inputs.drawn(dataset, settings.limit, settings.seed) for dataset in grouped(read, settings.group)]
    check_columns(settings.by, datasets[1:])
    return read, datasets


def compared_by(
    models: Sequence[Backbone],
    trivial: Sequence[Backbone],
    datasets: Sequence[Dataset | Features],
    settings: Settings,
    execution: inputs.Execution,
    folder: Path | None,
) -> tuple[tuple[Comparison, ...], dict[str, dict[str, pd.Series]]]:
    """Compare datasets by each model, without one as ready-made embeddings, with slices and what the settings say of leaks.

    Also return, for each trivial backbone, I^dist (mean form) of each secondary's images.
    """
    baselines: dict[str, dict[str, pd.Series]] = {}

    def measured(chosen: Sequence[Dataset | Features]) -> CopySearch:
        if not models:
            main, name = _ready(chosen)
            return CopySearch((compared(main, name, settings, execution, out=folder),), main)
        count = len(models)
        every = inputs.views(chosen, [*models, *hashing(chosen)], trivial, settings, execution)
        rows: list[BaselineSummary] = []
        for backbone, view in zip(trivial, every[count + 1 :], strict=True):
            own, baselines[backbone.name] = baseline(backbone.name, view, settings, execution)
            rows += own
        comparisons = tuple(
            # A trivial backbone stands beside the other one only.
            compared(view, model.name, settings, execution, tuple(row for row in rows if row.backbone != model.name), folder)
            for model, view in zip(models, every[:count], strict=True)
        )
        return CopySearch(comparisons, every[count])

    return with_slices(without_leaks(datasets, measured, settings.leaks), datasets[1:]), baselines


def features_of(
    datasets: Sequence[Dataset | Features],
    backbone: BackboneArgument,
    options: BackboneOptions,
    settings: Settings,
    execution: inputs.Execution,
) -> tuple[tuple[Features, ...], str]:
    """Return the features of all datasets, embedded or ready-made, and the backbone's name."""
    model = inputs.loaded(datasets, backbone, options, execution.runner)
    if model is None:
        return _ready(datasets)
    (main,) = inputs.views(datasets, [model], [], settings, execution)
    return main, model.name


def _ready(datasets: Sequence[Dataset | Features]) -> tuple[tuple[Features, ...], str]:
    """Return ready-made embeddings, which must be of one kind, and the name of their backbone."""
    main = tuple(dataset for dataset in datasets if isinstance(dataset, Features))
    for other in main[1:]:
        if dict(other.identity) != dict(main[0].identity):
            rule = f"must hold the same features as {main[0].name}"
            raise InputError.of(other.name, rule, dict(other.identity), "use one backbone for all")
    return main, str(main[0].identity.get("name", "embeddings"))


def compared(
    features: Sequence[Features],
    name: str,
    settings: Settings,
    execution: inputs.Execution,
    baselines: tuple[BaselineSummary, ...] = (),
    out: Path | None = None,
) -> Comparison:
    """Compare the primary dataset's features, which come first, with those of each secondary, by one backbone."""
    primary, *secondaries = features
    pairs = MeasurePairs(primary, secondaries, settings)
    measured, images, primary_images = _measured(pairs, name, execution, out)
    # Images of secondaries that are files of the primary, by their contents.
    by_content = dict(zip(reversed(primary.contents), reversed(primary.images), strict=True))
    leaks = tuple(
        Leak(s.name, image, by_content[content], content)
        for s in secondaries
        for content, image in zip(s.contents, s.images, strict=True)
        if content in by_content
    )
    # O(P, P) in the shared subspace, or in P's own if each pair has one.
    own_distance = measured[0].row.self_distance
    if own_distance is not None and settings.projection == "pair":
        own_distance = self_distance(pairs.projector.own(), groups=pairs.groups)
    return Comparison(
        primary=PrimarySummary(primary.name, len(primary), own_distance),
        backbone=BackboneSummary(name, primary.rows.shape[1], tuple(primary.layers), primary.identity),
        settings=settings,
        datasets=_corrected([pair.row for pair in measured]),
        images=images,
        primary_images=primary_images,
        provenance=Provenance.now(),
        baselines=baselines,
        skipped=tuple(skipped for dataset in features for skipped in dataset.skipped),
        leaks=leaks,
        notes=tuple(notes(features, measured, leaks, settings, bool(baselines))),
    )


def _measured(
    pairs: MeasurePairs, name: str, execution: inputs.Execution, out: Path | None
) -> tuple[list[MeasuredPair], pd.DataFrame, pd.DataFrame]:
    """Measure the pairs within the memory budget, and put what they say of images into tables: of secondaries, of P."""
    primary, secondaries, settings = pairs.primary, pairs.secondaries, pairs.settings
    sizes, q = [len(dataset) for dataset in (primary, *secondaries)], primary.rows.shape[1]
    primary_images = np.array(primary.images, dtype=object)
    images, of_primary, measured = list[pd.DataFrame](), list[pd.DataFrame](), list[MeasuredPair]()
    with beside(kept(sizes, q, settings)):
        check_plan(sizes, q, len(primary.layers), settings, executor=execution.runner)
        how: Any = {"progress": execution.progress, "patient": True, "total": len(secondaries), "unit": "pair"}
        shown = bar(measured_pairs(pairs, execution.runner, out), desc=f"distances by {name}", **how)
        own: PrimaryReference | None = None
        with suppress(InputError):  # it may exceed the memory budget
            own = PrimaryReference.of(primary, settings, projector=pairs.projector)
        for s, pair in zip(secondaries, shown, strict=True):
            low, high = pair.i_dist.min(), pair.i_dist.max()
            columns: dict[str, Any] = {
                "dataset": s.name,
                "image": s.images,
                "path": s.paths,
                "content": s.contents,
                **({"group": s.groups} if s.groups else {}),
                "i_dist": len(primary) * pair.i_dist,
                "i_dist_mean": pair.i_dist,
                "i_dist_scaled": (pair.i_dist - low) / (high - low) if high - low > ROUNDING * high else np.zeros(len(s)),
                "knn": pair.knn,
                "mahalanobis": pair.mahalanobis,
                "percentile": pair.percentile,
                "p_value": pair.conformal,
                **{f"pc{number}": column for number, column in enumerate(pair.secondary_scores.T, start=1)},
                "x": pair.secondary_scores[:, 0],
                "y": pair.secondary_scores[:, 1],
            }
            for number, (rows, distances) in enumerate(zip(pair.nearest.T, pair.nearest_distances.T, strict=True), start=1):
                columns |= {f"nearest{number}": primary_images[rows].tolist(), f"nearest{number}_distance": distances}
            # The columns that the judge of sites needs, in the primary's own subspace, as in a profile.
            read = {} if own is None else own.columns(own.measure(s.rows))
            columns |= {column: read.get(of_judge, np.full(len(s), np.nan)) for column, of_judge in GATE_COLUMNS.items()}
            images.append(pd.DataFrame(columns))
            own_columns = {
                "against": s.name,
                "image": primary.images,
                "path": primary.paths,
                "content": primary.contents,
                "i_dist_mean": pair.own,
                "pc1": pair.primary_plane[:, 0],
                "pc2": pair.primary_plane[:, 1],
            }
            of_primary.append(pd.DataFrame(own_columns))
            # The table of images has their scores and nearest images already.
            measured.append(replace(pair, nearest=NOTHING, nearest_distances=NOTHING, secondary_scores=NOTHING))
    return measured, pd.concat(images, ignore_index=True), pd.concat(of_primary, ignore_index=True)


def _corrected(rows: Sequence[DatasetSummary]) -> tuple[DatasetSummary, ...]:
    """Scale the distances of the secondaries, and correct p-values, energy's and each rival's, by Holm over them."""
    total = sum(row.o_dist_mean for row in rows)
    adjusted = holm([row.p_value_raw for row in rows])
    names = dict.fromkeys(name for row in rows for name in row.rivals_p)
    of_rivals = {name: holm([row.rivals_p.get(name) for row in rows]) for name in names}
    return tuple(
        replace(
            row,
            o_dist_scaled=row.o_dist_mean / total if total > 0 else 0.0,
            p_value=adjusted[number],
            rivals_p={name: p_value for name, values in of_rivals.items() if (p_value := values[number]) is not None},
        )
        for number, row in enumerate(rows)
    )


def baseline(
    name: str, features: Sequence[Features], settings: Settings, execution: inputs.Execution
) -> tuple[list[BaselineSummary], dict[str, pd.Series]]:
    """Measure each secondary and its images (mean form) with a trivial backbone, with the model's projection setting."""
    primary, *secondaries = features
    # Pairs that take long are kept beside a local store, the `MOST` that were measured last.
    folder, root = None, local_root(execution.store)
    q, largest = primary.rows.shape[1], max(map(len, secondaries), default=0)
    if (len(primary) + largest) ** 2 * q >= LARGE and root.is_dir():
        folder = root / _NAME
        with suppress(OSError):
            folder.mkdir(exist_ok=True)
            earlier = sorted((folder / FOLDER).glob("*.npz"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
            for file in earlier[MOST:]:
                file.unlink(missing_ok=True)
    # Nothing is drawn, so that the seed counts for nothing.
    plain = replace(settings, bootstrap=0, permutations=0, rivals=False, seed=0)
    pairs = measured_pairs(MeasurePairs(primary, secondaries, plain), execution.runner, folder)
    how: Any = {"progress": execution.progress, "patient": True, "total": len(secondaries), "unit": "pair"}
    measured = list(bar(pairs, desc=f"distances by {name}", **how))
    rows, images = list[BaselineSummary](), {}
    for row, s, pair in zip(_corrected([pair.row for pair in measured]), secondaries, measured, strict=True):
        rows.append(BaselineSummary(name, s.name, row.o_dist_scaled, row.relative, row.energy))
        images[s.name] = pd.Series(pair.i_dist, index=list(s.images))
    return rows, images


FEW_IMAGES = 10
# Most datasets, or pairs of them, that are named in one note.
NAMED = 5
UNEQUAL = 2
SIGNIFICANCE = 0.05
# No embedding of an image lies so many times as far from the primary dataset as others of its dataset do.
ABSURD = 1e6


def notes(
    features: Sequence[Features], measured: Sequence[MeasuredPair], leaks: Sequence[Leak], settings: Settings, baselines: bool
) -> Iterator[str]:
    """Yield a sentence for each weakness of a comparison, whose primary's features come first, and each undefined value."""
    primary, *secondaries = features
    n, independent = len(primary), primary.independent
    yield from dict.fromkeys(note for dataset in features for note in dataset.notes)
    if reading := PixelReading.of(primary.identity.get(READING, {})).sentence():
        yield reading
    # Equal embeddings may be of unlike images, where a backbone sees no difference or rounding took it.
    what = "images" if any(primary.paths) else "embeddings"
    if leaks:
        names = sorted({leak.dataset for leak in leaks})
        yield f"{primary.name} holds {what} of {', '.join(names)} too ({len(leaks)}): they make those sets look nearer"
    for dataset in features:
        if copies := len(dataset) - len(set(dataset.contents)):
            yield f"{dataset.name} holds {copies} exact {'copy' if copies == 1 else 'copies'} of its own {what}"
    if n > 1 and independent == 1:
        yield single_group(primary.name, n)
    elif n == 1:
        yield f"{primary.name} is a single image: it has no self-distance, so relative distances are undefined"
    elif any(pair.row.relative is None for pair in measured):
        # Unlike images may have features that differ by rounding alone, as beside an offset that all have in common.
        apart = len(set(primary.contents)) > 1
        yield (
            f"the features of {primary.name} do not differ{' by more than rounding' if apart else ''}: it has no self-distance "
            f"to be relative to{', and other distances may be rounding too' if apart else ''}"
        )
    if 1 < independent < CONFORMAL:
        has = f"{primary.name} has {independent} {'images' if independent == n else 'groups'}"
        yield f"{has}: with fewer than {CONFORMAL} no image can be called farther than 95 % of them"
    # An image so much farther than its dataset's others that it alone determines mean and interval.
    for dataset, pair in zip(secondaries, measured, strict=True):
        row, typical = int(np.argmax(pair.i_dist)), float(np.median(pair.i_dist))
        if pair.i_dist[row] > ABSURD * typical > 0:
            column = int(np.abs(dataset.rows.rows(row, row + 1)[0]).argmax())
            yield (
                f"{dataset.images[row]} of {dataset.name} is {pair.i_dist[row] / typical:.1g} times as far as its others "
                f"usually are, by column {column}: the dataset's mean and interval tell of that cell alone: drop or mend it"
            )
    yield from _limits(primary, secondaries, settings)
    short = [s.name for s, pair in zip(secondaries, measured, strict=True) if pair.row.components < settings.components]
    if short and settings.projection != "none":
        most = min(pair.row.components for pair in measured)
        yield f"only {most} of the {settings.components} components exist for {', '.join(short)}"
    if settings.permutations and len(secondaries) > SIGNIFICANCE * (settings.permutations + 1):
        least = len(secondaries) / (settings.permutations + 1)
        yield f"{settings.permutations} permutations cannot give {len(secondaries)} secondaries a corrected p below {least:.2g}"
    if settings.permutations and settings.projection == "primary":
        yield "the p-values test the energy distance in the pair projection: one fitted on P alone does not treat both alike"
    if baselines and max(map(len, features)) > inputs.BASELINE_IMAGES:
        yield f"the trivial backbones were measured on at most {inputs.BASELINE_IMAGES} images of each dataset"


def _limits(primary: Features, secondaries: Sequence[Features], settings: Settings) -> Iterator[str]:
    """Note what few images or groups, and unequal sizes, do to intervals, p-values and relative distances."""
    small = [s for s in secondaries if len(s) < FEW_IMAGES]
    if len(small) > NAMED:
        yield f"{_listed([s.name for s in small])} have fewer than {FEW_IMAGES} images: their intervals and p-values say little"
    else:
        for s in small:
            yield f"{s.name} has {len(s)} image{'s' if len(s) > 1 else ''}: its interval and p-value say little"
    if settings.neighbours > len(primary):
        yield f"{settings.neighbours} neighbours were asked for, and {primary.name} has {len(primary)} images to be near to"
    sizes = [len(dataset) for dataset in secondaries]
    if settings.projection == "pair" and max(sizes) > UNEQUAL * min(sizes) and min(sizes) >= FEW_IMAGES:
        yield (
            f"the secondaries hold {min(sizes)} to {max(sizes)} images, and a small one has little say in the components that "
            f"it shares with {primary.name}, which moves its relative distance: "
            f"limit={min(sizes)} (--limit {min(sizes)}) measures all at one size"
        )
    # Few groups widen intervals and limit p-values, and some distances have neither by groups.
    every = [each for each in (primary, *secondaries) if each.independent < len(each)]
    if settings.bootstrap:
        yield from filter(None, (few_groups(each.name, len(each), group_numbers(each.groups)) for each in every))
    for s in secondaries if settings.permutations else ():
        both = s.independent + primary.independent
        least = 1 / math.comb(both, s.independent)
        if (s in every or primary in every) and least > SIGNIFICANCE / 2:
            yield f"{s.name} has {s.independent} of {both} groups: no p-value can be below {least:.2g}"
    if every and settings.rivals and (settings.bootstrap or settings.permutations):
        yield "distances between datasets other than the paper's and energy have no interval and no p-value by groups"


def matrix_notes(features: Sequence[Features], rows: Sequence[Mapping[str, Any]], settings: Settings) -> Iterator[str]:
    """Yield a sentence for each weakness of a matrix and each undefined value."""
    yield from dict.fromkeys(note for dataset in features for note in dataset.notes)
    for dataset in features if settings.bootstrap else ():
        yield from filter(None, [few_groups(dataset.name, len(dataset), group_numbers(dataset.groups))])
    few = [dataset.name for dataset in features if len(dataset) < FEW_IMAGES]
    if few:
        verb = "has" if len(few) == 1 else "have"
        yield f"{_listed(few)} {verb} fewer than {FEW_IMAGES} images: what is near to such a set is little more than chance"
    holders: dict[str, list[str]] = {}
    for dataset in features:
        for content in dict.fromkeys(dataset.contents):
            holders.setdefault(content, []).append(dataset.name)
    for names, count in Counter(tuple(names) for names in holders.values() if len(names) > 1).most_common(NAMED):
        yield f"{' and '.join(names)} share {count} image{'s' if count > 1 else ''}, which brings them nearer"
    sizes = [len(dataset) for dataset in features]
    if max(sizes) > UNEQUAL * min(sizes):
        say = ", and in a pair's space it has little say" if settings.projection == "pair" else ""
        cure = f": limit={min(sizes)} (--limit {min(sizes)}) measures all at one size" if min(sizes) >= FEW_IMAGES else ""
        yield (
            f"the datasets hold {min(sizes)} to {max(sizes)} images, and a small sample is never quite like a large one of its "
            f"kind{say}{cure}"
        )
    most = min(int(row["components"]) for row in rows)
    if most < settings.components and settings.projection != "none":
        yield f"only {most} of the {settings.components} components exist for some pairs"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
