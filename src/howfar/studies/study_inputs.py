"""Read a study's datasets, subsample them to a limit, and embed them with its backbones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeVar, cast

import numpy as np

from howfar.arrays import ArrayRows
from howfar.backbones import BackboneArgument, as_backbone
from howfar.cpu_cores import available_cores
from howfar.data import Dataset, DatasetArgument, DatasetsArgument, each_dataset, parse
from howfar.data.dataset_argument import location_and_name
from howfar.data.image_bytes import keep_with
from howfar.errors import HowfarError, InputError
from howfar.memory import beside, plan
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import BackboneOptions, StudyExecution
from howfar.pipeline.embedding import check_work, embed_all, fitting_batch
from howfar.pipeline.pair_measurement import check_plan, kept
from howfar.protocols import Backbone, Runner, StoreLike
from howfar.random_streams import stream
from howfar.results import Features, Settings

Images = TypeVar("Images", bound=Dataset | Features)
Result = TypeVar("Result")
BASELINES: Final = ("pixels", "colour_moments")
BASELINE_IMAGES: Final = 1000
"""The trivial backbones are measured on at most so many images of each dataset."""


class Execution(NamedTuple):
    """Hold where features are stored and how features and distances are computed: the arguments of `embed_all`."""

    store: StoreLike | str | Path | None
    runner: Runner
    batch_size: int | None
    workers: int | None
    progress: bool

    @classmethod
    def of(cls, given: StudyExecution) -> Self:
        """Create an execution from checked options; raise `HowfarError` for an unknown runner or a number below 1."""
        runner = check_work(given["runner"], given["batch_size"], given["workers"])
        return cls(given["store"], runner, given["batch_size"], given["workers"], given["progress"])


def read_datasets(primary: DatasetArgument, secondaries: DatasetsArgument) -> list[Dataset | Features]:
    """Read the primary dataset and the secondaries, of which there is at least one, each with a unique name."""
    first = parse(primary, unnamed="primary")  # before the others, which are read by the range that it gives
    datasets = [first, *parse_all(secondaries, "secondary")]
    if len(datasets) < 2:
        raise InputError.of("secondaries", "must name at least one dataset", secondaries)
    check_names(datasets)
    return datasets


def parse_all(arguments: DatasetsArgument, unnamed: str) -> list[Dataset | Features]:
    """Read one dataset argument, a list or a mapping by name; nameless datasets are called `unnamed` plus their number."""
    return [parse(argument, name, other) for name, other, argument in each_dataset(arguments, unnamed)]


def check_out(out: Path | None, datasets: Sequence[Dataset | Features]) -> None:
    """Raise `InputError` if a run folder would lie among a dataset's images and its figures become images later."""
    for dataset in datasets if out is not None else ():
        root = dataset.root if isinstance(dataset, Dataset) else None
        if not isinstance(root, Path) or not root.is_dir():
            continue
        # A folder with images/ in it holds images there alone, and may hold a run beside it.
        images = root / "images" if (root / "images").is_dir() else root
        if out is not None and out.resolve().is_relative_to(images.resolve()):
            rule = f"must not lie among the images of {dataset.name}, of which its figures would become some"
            raise InputError.of("out", rule, str(out), "name another folder")


def check_names(datasets: Sequence[Dataset | Features]) -> None:
    """Raise `InputError` for a dataset name that cannot be printed or occurs twice."""
    names = [dataset.name for dataset in datasets]
    odd = [name for name in names if not name.isprintable()]
    if odd:
        raise InputError.of("datasets", "must have names that can be printed", odd[0], "name them as NAME=PATH")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError.of("datasets", "must have names of their own", twice, "name them as NAME=PATH, or by a mapping")


def sources_of(datasets: Sequence[Dataset | Features], *arguments: Any) -> dict[str, str]:
    """Map datasets to the path or URL from which they can be read again; `arguments` are what they were read from, in order."""
    each = [part for argument in arguments for _, _, part in each_dataset(argument, "")]
    sources = {dataset.name: _source(argument) for dataset, argument in zip(datasets, each, strict=True)}
    return {name: source for name, source in sources.items() if source}


def keep_pictures(result: Result, datasets: Sequence[Dataset | Features]) -> Result:
    """Return the result, whose figures can show in-memory images as long as the result exists."""
    keep_with(result, (item.path for dataset in datasets if isinstance(dataset, Dataset) for item in dataset.items))
    return result


def _source(argument: Any) -> str:
    """Return the absolute path or URL of a dataset argument; "" for a dataset in memory or a subset of a folder."""
    if isinstance(argument, Mapping) and len(argument) == 1:
        return _source(next(iter(argument.values())))
    if isinstance(argument, (str, Path)):
        return str(location_and_name(argument)[0])
    if not isinstance(argument, Dataset) or argument.root is None:
        return ""
    try:
        whole = parse(argument.root)
    except HowfarError:
        return ""
    same = isinstance(whole, Dataset) and [item.path for item in whole.items] == [item.path for item in argument.items]
    return str(argument.root) if same else ""


def loaded(
    datasets: Sequence[Dataset | Features], backbone: BackboneArgument, options: BackboneOptions, runner: Runner
) -> Backbone | None:
    """Load the backbone; return None if all datasets are ready-made embeddings, which take no backbone and no options."""
    ready = [dataset.name for dataset in datasets if isinstance(dataset, Features)]
    if ready and len(ready) < len(datasets):
        raise InputError.of("datasets", "must be all images or all embeddings", f"embeddings: {', '.join(ready)}")
    if not ready:
        return as_backbone(backbone, options)
    if bool(getattr(runner, "gpus", 0)):
        # The device is that of the runner's tasks: the command line says so, not the user.
        options = options.copy()
        if options.get("device") == "cpu":
            del options["device"]
    if options:
        raise InputError.of("options", "are of no use to ready-made embeddings", ", ".join(options), "leave them out")
    if isinstance(backbone, str) and backbone not in (DEFAULT_BACKBONE, "embeddings"):
        raise InputError.of("backbone", "must be left out where all datasets are embeddings", backbone)
    return None


def drawn(dataset: Images, limit: int | None, seed: int) -> Images:
    """Draw at most `limit` images in their original order; the draw depends on the seed and the dataset's name only."""
    count = len(dataset)
    if limit is None or count <= limit:
        return dataset
    kept = np.sort(stream(seed, "limit", dataset.name).choice(count, limit, replace=False))
    return at_rows(dataset, kept.tolist())


def at_rows(dataset: Images, rows: Sequence[int]) -> Images:
    """Return the images or features of a dataset at the given rows."""
    if isinstance(dataset, Dataset):
        return cast(Images, replace(dataset, items=tuple(dataset.items[row] for row in rows)))
    names, paths, contents = (
        tuple(values[row] for row in rows) for values in (dataset.images, dataset.paths, dataset.contents)
    )
    features = ArrayRows(np.concatenate([dataset.rows.rows(row, row + 1) for row in rows]))
    groups = tuple(dataset.groups[row] for row in rows) if dataset.groups else ()
    return cast(Images, replace(dataset, rows=features, images=names, paths=paths, contents=contents, groups=groups))


def views(
    datasets: Sequence[Dataset | Features],
    models: Sequence[Backbone],
    trivial: Sequence[Backbone],
    settings: Settings,
    execution: Execution,
) -> list[tuple[Features, ...]]:
    """Embed all datasets with each model, then at most `BASELINE_IMAGES` images of each with every trivial backbone."""
    few = min(BASELINE_IMAGES, settings.limit or BASELINE_IMAGES)
    sample = [drawn(dataset, few, settings.seed) for dataset in datasets]
    whole = all(chosen is dataset for chosen, dataset in zip(sample, datasets, strict=True))
    with plan():
        for chosen, backbones in ((datasets, models), (sample, trivial)):
            for backbone in backbones:
                sizes, layers = [len(dataset) for dataset in chosen], backbone.layers
                with beside(kept(sizes, sum(layers), settings)):
                    check_plan(sizes, sum(layers), len(layers), settings, executor=execution.runner)
        fitting_batch(1, [*models, *trivial] if whole else models, execution.workers or available_cores())
    if whole:
        by_dataset = embed_all(datasets, [*models, *trivial], *execution)
    else:
        main = embed_all(datasets, models, *execution)
        baselines = embed_all(sample, trivial, *execution) if trivial else [[] for _ in datasets]
        by_dataset = [[*features, *trivial_features] for features, trivial_features in zip(main, baselines, strict=True)]
    return [tuple(view) for view in zip(*by_dataset, strict=True)]
