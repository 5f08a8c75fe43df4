"""Images become features: from the store where they are known, through the backbones where they are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howfar import registry
from howfar.backbones import load_backbone
from howfar.backbones.threads import one_torch_thread_each
from howfar.data import Dataset, content_hash, decode, parse, read_bytes
from howfar.errors import ImageError, InputError
from howfar.progress import bar
from howfar.protocols import Backbone, Item, Runner
from howfar.results import Features, Skipped
from howfar.runners import available_cores
from howfar.store import FeatureStore, Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH_SIZE = 16
"""Where no backbone says otherwise."""


def embed(
    dataset: Any,
    backbone: str | Backbone = "efficientnet_lite0",
    store: Store | str | Path | None = None,
    *,
    runner: str = "local",
    batch_size: int | None = None,
    workers: int | None = None,
    progress: bool = True,
    **options: Any,
) -> Features:
    """Features of every readable image of a dataset: from the store where they are known, computed where they are not.

    Parameters
    ----------
    dataset
        What `howfar.data.parse` takes: a folder, ``NAME=PATH``, a table, a `Dataset`, or ready-made embeddings.
    backbone
        A registered name (see ``howfar backbones``) or a loaded backbone.
    store
        A `Store` or its folder; by default the user's cache.
    runner, batch_size, workers
        Where the work is done, images at a time (by default 16, on a GPU as many as fit), and how many at once (default:
        the cores at hand). None of them changes a feature by more than 1e-5 relative. A kill loses at most the batch that
        each worker has in hand.
    progress
        Show a bar with rate and time left on stderr (or in the notebook).
    **options
        Passed to `howfar.load_backbone`: device, weights, pool, fit, via.

    Raises
    ------
    HowfarError
        The dataset is missing, empty or holds no readable image; the backbone or an option is unknown.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.data.synthetic import write_dataset
    >>> folder = tempfile.mkdtemp()
    >>> _ = write_dataset(Path(folder) / "roads", 3, seed=0, size=64)
    >>> features = embed(Path(folder) / "roads", "colour_moments", Path(folder) / "store", progress=False)
    >>> features.rows.shape
    (3, 6)
    """
    if options and not isinstance(backbone, str):
        raise InputError.of("options", "are of no use to a backbone that is loaded already", ", ".join(options))
    loaded = load_backbone(backbone, **options) if isinstance(backbone, str) else backbone
    jobs = embed_all([parse(dataset)], [loaded], store, runner, batch_size, workers, progress)
    return jobs[0][0]


def embed_all(
    datasets: Sequence[Dataset | Features],
    backbones: Sequence[Backbone],
    store: Store | str | Path | None = None,
    runner: str = "local",
    batch_size: int | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> list[list[Features]]:
    """Features of every dataset (outer list) by every backbone (inner list); each image is read and decoded once.

    Parameters
    ----------
    datasets
        Image datasets; ready-made `Features` are passed through, once for each backbone.
    backbones, store, runner, batch_size, workers, progress
        As `embed`.

    Raises
    ------
    HowfarError
        As `embed`.
    """
    executor = check_work(runner, batch_size, workers)
    shelf = store if isinstance(store, Store) else Store(store)
    size = _batch_size(backbones) if batch_size is None else batch_size
    work = _Work(tuple(backbones), tuple(shelf.open(backbone.identity, sum(backbone.layers)) for backbone in backbones))
    chunks = [
        _Chunk(index, tuple(dataset.items[start : start + size]))
        for index, dataset in enumerate(datasets)
        if isinstance(dataset, Dataset)
        for start in range(0, len(dataset.items), size)
    ]
    outcomes: list[list[_Outcome]] = [[] for _ in datasets]
    with one_torch_thread_each() if (workers or available_cores()) > 1 else nullcontext():
        for index, done in _with_progress(executor.run(work, chunks), chunks, progress):
            outcomes[index].extend(done)
    for features in work.stores:
        features.refresh()
        features.pack()
    return [
        [dataset] * len(backbones)
        if isinstance(dataset, Features)
        else [_features(dataset, outcomes[i], *pair) for pair in zip(backbones, work.stores, strict=True)]
        for i, dataset in enumerate(datasets)
    ]


def _batch_size(backbones: Sequence[Backbone]) -> int:
    """The smallest of what the backbones say that suits them; those that say nothing are content with any."""
    said = [int(backbone.batch_size) for backbone in backbones if hasattr(backbone, "batch_size")]
    return min(said, default=BATCH_SIZE)


def check_work(runner: str, batch_size: int | None, workers: int | None) -> Runner:
    """Return the runner that these arguments of `embed` ask for, before any work is begun.

    Raises
    ------
    HowfarError
        The runner is unknown, or a number is below 1.
    """
    if batch_size is not None and batch_size < 1:
        raise InputError.of("batch_size", "must be at least 1", batch_size)
    made: Runner = registry.load("runners", runner)(available_cores() if workers is None else workers)
    return made


@dataclass(frozen=True)
class _Chunk:
    """One batch of one dataset. Batches are cut from the whole listing, so a resumed run of one size forms the same ones."""

    dataset: int
    items: tuple[Item, ...]


@dataclass(frozen=True)
class _Outcome:
    """What became of one image: its content hash, or the reason why it has no features."""

    item: Item
    content: str = ""
    reason: str = ""
    reused: bool = False


@dataclass(frozen=True)
class _Work:
    """The task: read, hash, and where a store lacks the content: decode once, embed by each backbone that needs it, store."""

    backbones: tuple[Backbone, ...]
    stores: tuple[FeatureStore, ...]

    def __call__(self, chunk: _Chunk) -> tuple[int, list[_Outcome]]:
        outcomes = []
        pending: list[dict[str, tuple[Item, NDArray[Any]]]] = [{} for _ in self.backbones]
        for item in chunk.items:
            try:
                outcomes.append(self._read(item, pending))
            except ImageError as error:
                outcomes.append(_Outcome(item, reason=str(error)))
        for backbone, store, inputs in zip(self.backbones, self.stores, pending, strict=True):
            if inputs:
                rows = backbone.embed(np.stack([array for _, array in inputs.values()]))
                store.add(list(inputs), [str(item.path) for item, _ in inputs.values()], rows)
        return chunk.dataset, outcomes

    def _read(self, item: Item, pending: list[dict[str, tuple[Item, NDArray[Any]]]]) -> _Outcome:
        data = read_bytes(item.path)
        content = content_hash(data)
        missing = [
            (backbone, inputs)
            for backbone, store, inputs in zip(self.backbones, self.stores, pending, strict=True)
            if content not in inputs and not store.contains(content)
        ]
        if missing:
            image = decode(data).image
            arrays = [backbone.prepare(image) for backbone, _ in missing]
            for (_, inputs), array in zip(missing, arrays, strict=True):
                inputs[content] = (item, array)
        return _Outcome(item, content=content, reused=not missing)


def _with_progress(
    results: Iterator[tuple[int, list[_Outcome]]], chunks: Sequence[_Chunk], progress: bool
) -> Iterator[tuple[int, list[_Outcome]]]:
    total = sum(len(chunk.items) for chunk in chunks)
    reused = 0
    with bar(progress=progress, said=True, total=total, unit="image", desc="features") as shown:
        for index, outcomes in results:
            reused += sum(outcome.reused for outcome in outcomes)
            shown.set_postfix({"from store": reused}, refresh=False)
            shown.update(len(outcomes))
            yield index, outcomes


def _features(dataset: Dataset, outcomes: Sequence[_Outcome], backbone: Backbone, store: FeatureStore) -> Features:
    bad = tuple(Skipped(dataset.name, str(done.item.path), done.reason) for done in outcomes if done.reason)
    skipped = (*dataset.skipped, *bad)
    good = [done for done in outcomes if not done.reason]
    if not good:
        first = f"; the first: {skipped[0].path}: {skipped[0].reason}" if skipped else ""
        raise InputError(f"{dataset.name} holds no readable image: {len(skipped)} files were skipped{first}")
    return Features(
        name=dataset.name,
        rows=store.select([done.content for done in good]),
        images=tuple(done.item.name for done in good),
        paths=tuple(str(done.item.path) for done in good),
        contents=tuple(done.content for done in good),
        layers=tuple(backbone.layers),
        identity=dict(backbone.identity),
        skipped=skipped,
    )
