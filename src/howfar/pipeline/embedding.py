"""Compute the features of datasets' images in batches by backbones (`embed`), reusing features from the store."""

from __future__ import annotations

import logging
import tempfile
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

import numpy as np

from howfar import protocols
from howfar.backbones import BackboneArgument, as_backbone, is_stored
from howfar.backbones.backbone_loading import one_torch_thread_each
from howfar.backbones.preprocessing import prepared
from howfar.data import Dataset, DatasetArgument, content_hash, parse, read_bytes
from howfar.data.bands_and_bit_depth import NO_DATA, left_out, no_data, range_warning
from howfar.data.compact_item_table import CompactSequence, HashColumn, Item, ItemTable, TextColumn
from howfar.data.image_bytes import place_of
from howfar.data.image_decoding import picture, pictures_in_use
from howfar.errors import ImageError, InputError, check_at_least
from howfar.image_reading_options import READING, file_and_reading, reading_asked
from howfar.io.file_location import is_in_memory
from howfar.memory import at_a_time, file_limit, is_set, within
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import BackboneOptions, EmbedOptions
from howfar.progress import bar
from howfar.projection.pca_cache import with_sums
from howfar.protocols import Backbone, Runner
from howfar.results import Features, Skipped
from howfar.runners import available_cores, make_runner
from howfar.store import FeatureStore, Store

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Outcome:
    """Record the content hash of an embedded image, or why it has none; another worker computes features `elsewhere`."""

    item: Item
    content: str = ""
    reason: str = ""
    reused: bool = False
    elsewhere: bool = False


@dataclass(frozen=True)
class EmbedBatch:
    """Embed a batch by every backbone whose store lacks features; each image is decoded once.

    The task may be pickled, killed and run again, here and elsewhere: what is stored is whole, and is not computed anew.
    """

    backbones: tuple[Backbone, ...]
    stores: tuple[FeatureStore, ...]
    device: str | None = None
    """Device that backbones move to when the task is unpickled: the GPU of another machine's worker."""
    at_a_time: int | None = None
    """Images that are held and embedded at a time; None for all of a batch."""
    threads: int = 1
    """How many threads of this process run the task at once, and share the memory for files."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the task, refresh the stores, and move the backbones to `device` if possible."""
        self.__dict__.update(state)
        for store in self.stores:
            store.refresh()
        if self.device is not None:
            moved = tuple(backbone.on(self.device) if hasattr(backbone, "on") else backbone for backbone in self.backbones)
            self.__dict__["backbones"] = moved

    def __call__(self, items: Sequence[Item]) -> list[Outcome]:
        """Embed a batch of images, and return the outcome of each, in order."""
        step, settled = self.at_a_time or max(1, len(items)), list[Outcome]()
        while len(settled) < len(items):
            outcomes, files = self._read(items[len(settled) :][:step])
            faults = self._embed(files) if files else {}
            left = {outcome.content for outcome in outcomes if not outcome.reason and self._lacks(outcome.content)}
            # Two of the stores may be one folder: what one of them was given the other sees only when it is looked at anew.
            left = self.lacking(left) if left else left
            for outcome in outcomes:
                if outcome.content in faults:
                    outcome = Outcome(outcome.item, reason=faults[outcome.content])
                elif not outcome.reason:
                    outcome = replace(outcome, elsewhere=outcome.content in left)
                settled.append(outcome)
        return settled

    def lacking(self, contents: Iterable[str]) -> set[str]:
        """Return the contents that some store lacks at this moment."""
        for store in self.stores:
            store.refresh()
        return {content for content in contents if self._lacks(content)}

    def _lacks(self, content: str) -> bool:
        return any(not store.contains(content) for store in self.stores)

    def _read(self, items: Iterable[Item]) -> tuple[list[Outcome], dict[str, tuple[Item, bytes]]]:
        """Read and hash images while memory allows; return the outcomes and, by content hash, files missing from a store."""
        outcomes, held, most = list[Outcome](), 0, file_limit() // (_OF_MEMORY * self.threads)
        files: dict[str, tuple[Item, bytes]] = {}
        for item in items:
            if held > most:
                break
            try:
                data = read_bytes(item.path)
            except ImageError as error:
                outcomes.append(Outcome(item, reason=str(error)))
                continue
            content = content_hash(data)
            stored = content in files or not self._lacks(content)
            outcomes.append(Outcome(item, content=content, reused=stored))
            if not stored:
                files[content] = (item, data)
                held += len(data)
        return outcomes, files

    def _embed(self, files: Mapping[str, tuple[Item, bytes]]) -> dict[str, str]:
        """Compute and store the features not claimed by other workers; return decoding errors by content hash."""
        faults: dict[str, str] = {}
        with ExitStack() as claims:
            mine = [
                set(claims.enter_context(store.claim([content for content in files if not store.contains(content)])))
                for store in self.stores
            ]
            inputs: list[dict[str, NDArray[Any]]] = [{} for _ in self.stores]
            for content, (_, data) in files.items():
                wanted = [index for index, own in enumerate(mine) if content in own]
                try:
                    with pictures_in_use():
                        image = picture(data) if wanted else None
                        arrays = [prepared(self.backbones[index], image) for index in wanted if image is not None]
                        del image
                except ImageError as error:
                    faults[content] = str(error)
                    continue
                for index, array in zip(wanted, arrays, strict=True):
                    inputs[index][content] = array
            for backbone, store, arrays_by_content in zip(self.backbones, self.stores, inputs, strict=True):
                if arrays_by_content:
                    rows = backbone.embed(np.stack(list(arrays_by_content.values())))
                    store.add(list(arrays_by_content), [str(files[content][0].path) for content in arrays_by_content], rows)
                    store.tidy()
        return faults


_REUSED: Final = 1
_ELSEWHERE: Final = 2
_FAILED: Final = 4


class Batches(Sequence[tuple[Item, ...]]):
    """Divide datasets into batches lazily; every batch holds images of one dataset only."""

    def __init__(self, listings: Sequence[Sequence[Item]], size: int) -> None:
        self._listings, self._size = listings, size
        counts = np.array([-(-len(items) // size) for items in listings], np.int64)
        self._before = np.cumsum(counts) - counts
        self.datasets = np.repeat(np.arange(len(counts)), counts)
        """The dataset's index of each batch."""

    def __len__(self) -> int:
        return len(self.datasets)

    def __getitem__(self, number: int) -> tuple[Item, ...]:  # type: ignore[override]  # nobody asks for several at a time
        dataset = self.datasets[number]
        start = int(number - self._before[dataset]) * self._size
        return tuple(self._listings[dataset][start : start + self._size])


class Outcomes(CompactSequence[Outcome]):
    """Collect the outcomes of a dataset's images in order, as they arrive."""

    def __init__(self, items: Sequence[Item] = ()) -> None:
        self._items = ItemTable.of(items)
        self._contents, self._flags = HashColumn(), bytearray()
        self._reasons: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._flags)

    def value(self, position: int) -> Outcome:
        """Return the outcome of the image at a position."""
        reason, flags = self._reasons.get(position, ""), self._flags[position]
        content = "" if reason else self._contents[position]
        return Outcome(self._items[position], content, reason, bool(flags & _REUSED), bool(flags & _ELSEWHERE))

    def extend(self, outcomes: Iterable[Outcome]) -> None:
        """Add the outcomes of the next images."""
        for outcome in outcomes:
            self._contents.append("")
            self._flags.append(0)
            self.settle(len(self._flags) - 1, outcome)

    def settle(self, position: int, outcome: Outcome) -> None:
        """Replace the outcome of an image."""
        self._contents.replace(position, outcome.content)
        flags = _REUSED * outcome.reused | _ELSEWHERE * outcome.elsewhere | _FAILED * bool(outcome.reason)
        self._flags[position] = flags
        self._reasons.pop(position, None)
        if outcome.reason:
            self._reasons[position] = outcome.reason

    def reused(self, start: int, stop: int) -> set[str]:
        """Return the contents of reused features among the images `start` to `stop`."""
        return {self._contents[position] for position in self._at(_REUSED, start, stop)}

    def lose(self, contents: set[str]) -> None:
        """Mark images with damaged features as pending in another process, so that they are awaited or recomputed."""
        for position in self._at(_REUSED):
            if self._contents[position] in contents:
                self._flags[position] = _ELSEWHERE

    def elsewhere(self) -> list[int]:
        """Return the positions of the images claimed by another process."""
        return self._at(_ELSEWHERE)

    def failed(self) -> Iterator[tuple[Item, str]]:
        """Yield the images without features, each with the reason."""
        for position in self._at(_FAILED):
            yield self._items[position], self._reasons[position]

    def columns(self) -> dict[str, Any]:
        """Return the columns of `Features` for the images with features: names, paths, content hashes, and groups if any."""
        items = self._items
        rows: Sequence[int] = range(len(self))
        columns: dict[str, Any] = {"images": items.names, "paths": items.paths(), "contents": self._contents}
        if self._reasons:
            rows = array("q", np.flatnonzero((np.array(memoryview(self._flags)) & _FAILED) == 0).astype(np.int64).tobytes())
            columns["images"], columns["paths"] = TextColumn(items.names[row] for row in rows), items.paths(rows)
            columns["contents"] = HashColumn(self._contents[row] for row in rows)
        return {**columns, "groups": tuple(items[row].group for row in rows) if items.grouped else ()}

    def _at(self, flag: int, start: int = 0, stop: int | None = None) -> list[int]:
        flags = np.array(memoryview(self._flags)[start:stop])
        return (start + np.flatnonzero(flags & flag)).tolist()


_log = logging.getLogger("howfar.pipeline")
BATCH_SIZE = 16
"""Where no backbone says otherwise."""
ON_GPUS = 64
"""On a cluster's GPUs, which nobody here can measure; what does not fit there is halved."""
IN_A_TASK = 4
"""Batches in a task of another process, at most, so that fewer tasks are handed over."""
TASKS = 64
"""Tasks up to which none is longer than a batch, so that a small run is still shared by all workers; or as many as these."""
ELSEWHERE = "in another process's hands"
PATIENCE = 30.0
"""Seconds after which it is said what is waited for."""
PAUSE = 0.2
"""Seconds between two looks at what other processes have in hand."""
CHECKED = 1 << 16
"""Images whose stored features are checked at a time."""
_FLOAT = 4
_OF_MEMORY: Final = 8
"""Files of images that wait to be decoded take one part of this many of the memory that files may take."""
_NAMING = "howfar.backbones.function(f, name) gives it a name that does"


@with_options(EmbedOptions)
def embed(
    dataset: DatasetArgument,
    backbone: BackboneArgument = DEFAULT_BACKBONE,
    store: Store | str | Path | None = None,
    **options: Unpack[EmbedOptions],
) -> Features:
    """Compute the features of every readable image of a dataset, reusing stored features.

    Parameters
    ----------
    dataset
        What `howfar.data.parse` takes: a folder, ``NAME=PATH``, a table, a `Dataset`, ready-made embeddings, or images in
        memory (a list, an array, a data frame, a dataset of torch or Hugging Face).
    backbone
        A registered name (see ``howfar backbones``), a torch module, a function of a batch, or a loaded backbone
        (`howfar.backbones.as_backbone`).
    store
        A `Store` or its folder; by default the user's cache.

    Raises
    ------
    HowfarError
        The dataset is missing, empty or holds no readable image; the backbone or an option is unknown.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.demo import write_dataset
    >>> folder = tempfile.mkdtemp()
    >>> _ = write_dataset(Path(folder) / "roads", 3, seed=0, size=64)
    >>> features = embed(Path(folder) / "roads", "colour_moments", Path(folder) / "store", progress=False)
    >>> features.rows.shape
    (3, 6)
    """
    given, loading = checked(EmbedOptions, options), picked(BackboneOptions, options)
    loaded = as_backbone(backbone, loading)
    with within(given["memory"]):
        how = (given["runner"], given["batch_size"], given["workers"], given["progress"])
        return embed_all([parse(dataset)], [loaded], store, *how)[0][0]


def embed_all(
    datasets: Sequence[Dataset | Features],
    backbones: Sequence[Backbone],
    store: protocols.StoreLike | str | Path | None = None,
    runner: str | Runner = "local",
    batch_size: int | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> list[list[Features]]:
    """Compute features of all datasets (outer list) by all backbones (inner list), decoding each image once.

    Ready-made `Features` among the datasets are passed through, once for each backbone. Errors are those of `embed`.
    """
    executor = check_work(runner, batch_size, workers)
    shelf = Store(store) if store is None or isinstance(store, (str, Path)) else store
    gpus = bool(getattr(executor, "gpus", 0))
    own = (int(backbone.batch_size) for backbone in backbones if hasattr(backbone, "batch_size"))
    size = (ON_GPUS if gpus else min(own, default=BATCH_SIZE)) if batch_size is None else batch_size
    size = fitting_batch(size, backbones, workers or available_cores())
    opened: list[FeatureStore] = []
    for backbone in backbones:
        length = sum(backbone.layers)
        if is_stored(backbone):
            opened.append(shelf.open(backbone.identity, length))
            continue
        if executor.processes:
            rule = "must have a name that stands for it, for a runner of other processes"
            raise InputError.of("backbone", rule, backbone.name, "pass howfar.backbones.function(f, name)")
        # An unnamed function's features are kept for this call alone.
        opened.append(Store(tempfile.mkdtemp(prefix="howfar-")).open(backbone.identity, length))
        opened[-1].remove_when_unused()
    stores = tuple(opened)
    if executor.processes and any(str(features.folder).startswith("memory://") for features in stores):
        rule = "must be where other processes find it"
        raise InputError.of("store", rule, str(stores[0].folder), "name a folder or a bucket")
    check_reach(datasets, executor)
    threads = 1 if executor.processes else workers or available_cores()
    task = EmbedBatch(tuple(backbones), stores, "cuda" if gpus else None, size, threads)
    with nullcontext() if threads == 1 else one_torch_thread_each():
        images = sum(len(dataset) for dataset in datasets if isinstance(dataset, Dataset))
        tasks = max(TASKS, getattr(executor, "workers", None) or 0)
        in_a_task = max(1, min(IN_A_TASK, images // (size * tasks))) if executor.processes else 1
        outcomes = _outcomes(executor, task, datasets, size * in_a_task, progress)
    notes = []
    for features, backbone in zip(task.stores, backbones, strict=True):
        unstored = f"features of the function {backbone.name} were not stored, as nothing tells it from another: {_NAMING}"
        notes.append((*features.faults(), *([] if is_stored(backbone) else [unstored])))
        features.refresh()
        features.pack()
    return [
        [dataset] * len(backbones)
        if isinstance(dataset, Features)
        else [_features(dataset, outcomes[i], *one, executor) for one in zip(backbones, task.stores, notes, strict=True)]
        for i, dataset in enumerate(datasets)
    ]


def check_reach(datasets: Sequence[Dataset | Features], executor: Runner) -> None:
    """Raise `InputError` if the runner uses other processes but a dataset's images exist only in this process's memory."""
    images = [dataset for dataset in datasets if isinstance(dataset, Dataset)] if executor.processes else []
    held = next((dataset.name for dataset in images if any(is_in_memory(item.path) for item in dataset.items)), None)
    if held is not None:
        rule = "must be local for images in the memory of this process"
        raise InputError.of("runner", rule, held, "save them as files, which other processes can read")


def fitting_batch(size: int, backbones: Sequence[Backbone], workers: int) -> int:
    """Reduce the images held at a time (inputs and features, each twice) to fit the memory budget."""
    if not (is_set() and backbones):
        return size
    from PIL import Image

    bands = reading_asked().channels
    blank = Image.new("RGB", (64, 64)) if bands == 3 else np.zeros((64, 64, bands), np.uint8)
    each = 2 * sum(prepared(backbone, blank).nbytes + _FLOAT * sum(backbone.layers) for backbone in backbones)
    return at_a_time(size, workers * each, 0, f"an image of each of {workers} workers", "have fewer workers")


def check_work(runner: str | Runner, batch_size: int | None, workers: int | None) -> Runner:
    """Validate these arguments of `embed`, and return the runner."""
    check_at_least(1, batch_size=batch_size)
    return make_runner(runner, workers)


def _outcomes(
    executor: Runner, task: EmbedBatch, datasets: Sequence[Dataset | Features], size: int, progress: bool
) -> list[Outcomes]:
    """Embed all images, and return each dataset's outcomes in order; waits for images claimed by other processes."""
    listed = [dataset.items if isinstance(dataset, Dataset) else () for dataset in datasets]
    # Cut from the whole listing, so a resumed run of one size forms the same ones.
    batches = Batches(listed, size)
    outcomes = [Outcomes(items) for items in listed]
    with bar(progress=progress, total=sum(map(len, listed)), unit="image", desc="features") as shown:
        reused, begun, busy = 0, time.monotonic(), _busy(task.backbones)
        for dataset, done in zip(batches.datasets, executor.run(task, batches), strict=True):
            outcomes[dataset].extend(done)
            reused += sum(outcome.reused for outcome in done)
            shown.set_postfix({"from store": reused, **_gpu(task.backbones, busy, begun)}, refresh=False)
            shown.update(sum(not outcome.elsewhere for outcome in done))
        # Images with damaged features are embedded again.
        lost: set[str] = set()
        for of_dataset in outcomes:
            for start in range(0, len(of_dataset), CHECKED):
                asked = sorted(of_dataset.reused(start, start + CHECKED))
                lost |= {content for store in task.stores for content in store.verify(asked)}
        for of_dataset in outcomes if lost else ():
            of_dataset.lose(lost)
        left = sum(len(of_dataset.elsewhere()) for of_dataset in outcomes)
        if left:
            shown.set_postfix({ELSEWHERE: left})
        for left, position, outcome in _awaited(executor, task, outcomes, size):
            outcomes[position[0]].settle(position[1], outcome)
            shown.set_postfix({ELSEWHERE: left} if left else {"from store": reused}, refresh=False)
            shown.update()
    return outcomes


def _busy(backbones: Sequence[Backbone]) -> float:
    """Sum the seconds of GPU computation of the backbones so far."""
    return sum(float(getattr(backbone, "busy", None) or 0.0) for backbone in backbones)


def _gpu(backbones: Sequence[Backbone], before: float, begun: float) -> dict[str, str]:
    """Format the GPU's share of busy time; far below 100 %, decoding is the bottleneck and more workers help."""
    if all(getattr(backbone, "busy", None) is None for backbone in backbones):
        return {}
    return {"GPU in use": f"{(_busy(backbones) - before) / max(time.monotonic() - begun, 1e-9):.0%}"}


def _awaited(
    executor: Runner, task: EmbedBatch, outcomes: Sequence[Outcomes], size: int
) -> Iterator[tuple[int, tuple[int, int], Outcome]]:
    """Wait for images claimed by other processes, and embed abandoned ones; yield (number left, (dataset, image), outcome)."""
    waiting = {
        (dataset, image): of_dataset[image] for dataset, of_dataset in enumerate(outcomes) for image in of_dataset.elsewhere()
    }
    last_message = time.monotonic()
    while waiting:
        lacking = task.lacking({outcome.content for outcome in waiting.values()})
        for position in [position for position, outcome in waiting.items() if outcome.content not in lacking]:
            stored = replace(waiting.pop(position), reused=True, elsewhere=False)
            yield len(waiting), position, stored
        free = {content for store in task.stores for content in store.free(list(lacking))}
        fallen = [position for position, outcome in waiting.items() if outcome.content in free]
        groups = [fallen[start : start + size] for start in range(0, len(fallen), size)]
        again = [tuple(waiting[position].item for position in group) for group in groups]
        for group, done in zip(groups, executor.run(task, again), strict=True):
            for position, outcome in zip(group, done, strict=True):
                if not outcome.elsewhere:
                    del waiting[position]
                    yield len(waiting), position, outcome
        if not fallen and waiting:
            if time.monotonic() - last_message >= PATIENCE:
                last_message = time.monotonic()
                _log.warning("waiting for %d images in the hands of another process; if it is stopped, end it", len(waiting))
            time.sleep(PAUSE)


def _features(
    dataset: Dataset, outcomes: Outcomes, backbone: Backbone, store: FeatureStore, notes: tuple[str, ...], executor: Runner
) -> Features:
    failed = list(outcomes.failed())
    empty = sum(reason == NO_DATA for _, reason in failed)
    bad = tuple(Skipped(dataset.name, place_of(item), reason) for item, reason in failed if reason != NO_DATA)
    skipped = (*dataset.skipped, *bad)
    columns = outcomes.columns()
    contents, paths = columns["contents"], columns["paths"]
    if not contents:
        first = "".join(f"; the first: {fault.path}: {fault.reason}" for fault in (*bad, *skipped)[:1])
        raise InputError(f"{dataset.name} holds no readable image: {len(skipped)} files were skipped{first}")
    how = file_and_reading(paths[0])[1].identity()
    return Features(
        name=dataset.name,
        rows=with_sums(store.select(contents), contents, store.folder, executor),
        layers=tuple(backbone.layers),
        identity={**backbone.identity, **({READING: how} if how else {})},
        skipped=skipped,
        notes=(
            *notes,
            *filter(None, [range_warning(dataset.name, paths)]),
            *left_out(dataset.name, paths),
            *no_data(dataset.name, empty),
        ),
        **columns,
    )
