"""Measure the distances of datasets by several backbones, and how alike the backbones rank datasets and images."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Final, Unpack

import numpy as np
import pandas as pd

from howfar.backbones import BackboneArgument, as_backbone, as_loaded, load_backbone, takes
from howfar.data import Dataset, DatasetArgument, DatasetsArgument
from howfar.errors import InputError
from howfar.experiment_tracking import Log, check_tracker, log_result
from howfar.memory import within
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options_by_function import BackboneOptions, CompareOptions, CompareSettings
from howfar.pipeline.pair_measurement import forget_pairs
from howfar.protocols import Backbone
from howfar.random_streams import stream
from howfar.relation.trend import correlation, rank_sums, spearman
from howfar.results import Comparison, Settings
from howfar.results.backbones_result import SETS, BackboneComparison
from howfar.results.checksums_and_overwrite_guard import page_folder
from howfar.significance import resample_weights
from howfar.studies.column_slices import columns_of
from howfar.studies.compare_datasets import compared_by, read_and_drawn
from howfar.studies.run_report import write_run
from howfar.studies.study_inputs import BASELINES, Execution, keep_pictures, sources_of

AGREEMENT: Final = ("one", "other", "dataset", "n", "spearman", "low", "high")
_BLOCK: Final = 1 << 20
# Every backbone runs on a CPU.
ANYWHERE: Final = (("device", "auto"), ("device", "cpu"))


@with_options(CompareOptions)
def compare_backbones(
    primary: DatasetArgument,
    secondaries: DatasetsArgument,
    backbones: Sequence[BackboneArgument],
    **options: Unpack[CompareOptions],
) -> BackboneComparison:
    """Measure the distances of `howfar.compare` with several backbones, and the backbones' agreement.

    Agreement is Spearman's rank correlation: of the secondaries' order, and of I^dist over the images of each secondary, with
    bootstrap intervals over its images. The trivial backbones take part. The result shows as table 2 of the paper.

    Parameters
    ----------
    primary, secondaries
        As `howfar.compare`; images, as embeddings have one backbone.
    backbones
        At least two, each as `howfar.compare` takes it and of a name of its own.

    Raises
    ------
    HowfarError
        As `howfar.compare`; or fewer than two backbones, or two of one name.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from howfar.demo import write_dataset
    >>> folder = Path(tempfile.mkdtemp())
    >>> roads, site = (write_dataset(folder / name, 12, seed=i, size=48) for i, name in enumerate(("roads", "site")))
    >>> result = compare_backbones(roads, site, ["pixels", "colour_moments"], store=folder / "store", progress=False)
    >>> result.backbones
    ('pixels', 'colour_moments')
    """
    given = checked(CompareOptions, options)
    settings = Settings(**picked(CompareSettings, given), by=columns_of(given["by"]))
    execution = Execution.of(given)
    check_tracker(given["log"])
    folder = page_folder("out", given["out"], BackboneComparison.COMMAND)
    if given["map"] is not None:
        rule = "must be left out where there are several backbones"
        raise InputError.of("map", rule, given["map"], "run howfar report OUT/BACKBONE --map umap afterwards")
    read, datasets = read_and_drawn(primary, secondaries, settings, folder)
    ready = [dataset.name for dataset in datasets if not isinstance(dataset, Dataset)]
    if ready:
        raise InputError.of("datasets", "must be images where there are several backbones", f"embeddings: {', '.join(ready)}")
    loading = picked(BackboneOptions, options)
    models = _loaded(backbones, loading)
    trivial = [load_backbone(name) for name in BASELINES if given["baselines"]]
    with within(given["memory"]):
        found, beside = compared_by(models, trivial, datasets, settings, execution, folder)
        images = {comparison.backbone.name: by_image(comparison) for comparison in found}
        images |= {name: distances for name, distances in beside.items() if name not in images}
        result = with_agreement(found, images, settings)
    sources = sources_of(read, [primary], secondaries)
    comparisons = tuple(
        replace(comparison, options=as_loaded(backbone, _own(backbone, loading)), sources=sources)
        for comparison, backbone in zip(result.comparisons, backbones, strict=True)
    )
    result = keep_pictures(replace(result, comparisons=comparisons), read)
    if folder is not None:
        write_run(result, folder)
        forget_pairs(folder)
    for each in result.comparisons:
        log = Log.of(given["log"], f"compare {each.primary.name} by {each.backbone.name}", f"compare {each.primary.name}")
        log_result(log, picked(CompareSettings, given), each.to_dict())
    return result


def _loaded(backbones: Any, given: BackboneOptions) -> list[Backbone]:
    options = dict(given)
    weights: Any = options.pop("weights", {})
    if not isinstance(weights, Mapping):
        raise InputError.of("weights", "must be given by the backbones' names", weights, 'pass {"dinov2": FOLDER}')
    if isinstance(backbones, str) or not isinstance(backbones, Sequence) or len(backbones) < 2:
        raise InputError.of("backbones", "must be at least two", backbones, "howfar.compare takes one")
    named = [backbone for backbone in backbones if isinstance(backbone, str)]
    for name in weights:
        if name not in named:
            raise InputError.of("weights", f"must be of one of the backbones, {', '.join(named) or 'none by name'}", name)
    if options and not named:
        raise InputError.of("options", "are of no use to backbones that are loaded already", ", ".join(options))
    _refuse_repeated(named, "name each once")
    for option in options:
        if not any(option in takes(name) for name in named) and (option, options[option]) not in ANYWHERE:
            raise InputError.of(option, f"must be an option of one of the backbones, {', '.join(named)}", options[option])
    models = [as_backbone(model, _own(model, given)) for model in backbones]
    _refuse_repeated([model.name for model in models])
    return models


def _refuse_repeated(names: Sequence[str], remedy: str = "") -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError.of("backbones", "must have names of their own", repeated[0], remedy)


def _own(backbone: Any, options: Mapping[str, Any]) -> BackboneOptions:
    """Return the options that one backbone takes; a loaded backbone takes none."""
    if not isinstance(backbone, str):
        return {}
    own = {option: value for option, value in options.items() if option in takes(backbone)}
    return picked(BackboneOptions, {**own, "weights": options.get("weights", {}).get(backbone)})


def by_image(comparison: Comparison) -> dict[str, pd.Series]:
    """Return the mean-form I^dist of each image by image name, for each secondary."""
    return {
        str(name): images.set_index("image")["i_dist_mean"] for name, images in comparison.images.groupby("dataset", sort=False)
    }


def with_agreement(
    comparisons: tuple[Comparison, ...], images: Mapping[str, Mapping[str, pd.Series]], settings: Settings
) -> BackboneComparison:
    """Measure the agreement on the secondaries' order and on each one's images, which `by_image` gives for each backbone."""
    measured = BackboneComparison(comparisons, pd.DataFrame())
    order = measured.to_frame().pivot(index="dataset", columns="backbone", values=measured.measure())
    rows = []
    for one, other in combinations(images, 2):
        rows.append({"one": one, "other": other, **_correlated(SETS, order[one], order[other], settings, draws=0)})
        for name, distances in images[one].items():
            shared = distances.index.intersection(images[other][name].index)
            pair = distances[shared], images[other][name][shared]
            rows.append({"one": one, "other": other, **_correlated(name, *pair, settings, draws=settings.bootstrap)})
    return replace(measured, agreement=pd.DataFrame(rows, columns=list(AGREEMENT)))


def _correlated(dataset: str, x: pd.Series, y: pd.Series, settings: Settings, *, draws: int) -> dict[str, Any]:
    """Compute the rank correlation of two columns, with a percentile interval over resampled images."""
    n = len(x)
    row: dict[str, Any] = {"dataset": dataset, "n": n, "spearman": np.nan, "low": np.nan, "high": np.nan}
    if n < 2:
        return row
    columns = (x.to_numpy(dtype=np.float64), y.to_numpy(dtype=np.float64))
    rho = spearman(*columns)
    row["spearman"] = np.nan if rho is None else rho
    if draws and n > 2:
        rng = stream(settings.seed, "agreement of backbones", dataset)
        # A few draws at a time, so that memory does not grow with their number.
        block = max(1, _BLOCK // n)
        parts = [min(block, draws - start) for start in range(0, draws, block)]
        drawn = np.concatenate([correlation(rank_sums(columns, n * resample_weights(n, part, rng).T)) for part in parts])
        if np.isfinite(drawn).any():
            row["low"], row["high"] = (float(value) for value in np.nanquantile(drawn, (0.025, 0.975)))
    return row
