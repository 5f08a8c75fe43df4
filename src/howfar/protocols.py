"""The seams of the house: small Protocols that datasets, backbones, distances and runners fulfil."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

T = TypeVar("T")
R = TypeVar("R")


@runtime_checkable
class Rows(Protocol):
    """An (n, q) matrix that is read in pieces, so that it need not fit in memory."""

    shape: tuple[int, int]

    def rows(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Rows `start` to `stop`, shape (stop - start, q)."""
        ...

    def columns(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Columns `start` to `stop` of every row, shape (n, stop - start)."""
        ...


class Item(Protocol):
    """One image of a dataset, not yet read."""

    @property
    def name(self) -> str:
        """Its name, unique in the dataset: the path below the dataset's folder, with ``/``."""
        ...

    @property
    def path(self) -> Path | str:
        """Where its file lies: a path, or the text of a URL."""
        ...


class Dataset(Protocol):
    """A named sequence of images."""

    @property
    def name(self) -> str:
        """What tables and figures call it."""
        ...

    @property
    def items(self) -> Sequence[Item]:
        """Its images in a fixed order."""
        ...


class Backbone(Protocol):
    """F of the paper (eq. 1): an image becomes a vector in R^q. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """Its registered name, with the model's where it has one (``timm:resnet18``)."""
        ...

    @property
    def layers(self) -> tuple[int, ...]:
        """Lengths of the parts that the feature is concatenated from; they sum to q."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the feature depends on (weights hash, layer, pooling, preprocessing, dtype), as JSON values."""
        ...

    def prepare(self, image: Image) -> NDArray[Any]:
        """Turn one RGB picture into the model's input array."""
        ...

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, ...) prepared pictures into (b, q) float32 features."""
        ...


class ImageDistance(Protocol):
    """A distance from each image of S to the dataset P, both projected: (m, z), (n, z) -> (m,)."""

    def __call__(self, s: Any, p: Any, /) -> NDArray[np.float64]:
        """Distances of the rows of `s` from `p`."""
        ...


class DatasetDistance(Protocol):
    """A distance between the datasets S and P, both projected: (m, z), (n, z) -> float."""

    def __call__(self, s: Any, p: Any, /) -> float:
        """Distance of `s` from `p`."""
        ...


class FittedEstimator(Protocol):
    """An estimator after its fit: columns of unlabelled images become estimates of their performance."""

    @property
    def name(self) -> str:
        """Name of the estimator that it is a fit of."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that it reads."""
        ...

    def predict(self, columns: Mapping[str, Any]) -> NDArray[np.float64]:
        """Estimates, (m,) in [0, 1]; NaN for an image that lacks a column."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Itself as JSON values, from which `Estimator.restore` makes the same again."""
        ...


class Estimator(Protocol):
    """A way to estimate an image's performance without its labels, learnt from labelled images."""

    @property
    def name(self) -> str:
        """Its registered name."""
        ...

    @property
    def kind(self) -> str:
        """What it goes by: baseline, distance, confidence, agreement or combined."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that it reads, or may read before `resolve` has settled which."""
        ...

    def resolve(self, columns: Mapping[str, Any], sets: Any) -> Estimator | None:
        """Settle which columns it reads, given those of some images and their sets; None where it cannot be used."""
        ...

    def fit(self, columns: Mapping[str, Any], performance: Any, sets: Any, groups: Any = None) -> FittedEstimator:
        """Learn from labelled images: their columns, performance, sets and, where known, photographs."""
        ...

    def restore(self, document: Mapping[str, Any]) -> FittedEstimator:
        """Make a fit again from its `to_dict`."""
        ...


class Strategy(Protocol):
    """A way to choose which images to label."""

    @property
    def name(self) -> str:
        """Its registered name."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that it reads: "distance" (scaled I^dist), "features" (projected rows), "uncertainty" and so on."""
        ...

    @property
    def nested(self) -> bool:
        """Whether fewer picks are the first of more, given a generator in the same state: the 1 in the 3, the 3 in the 7."""
        ...

    def pick(
        self, columns: Mapping[str, Any], k: int, rng: np.random.Generator, labelled: NDArray[np.bool_] | None = None
    ) -> NDArray[np.intp]:
        """Choose k of n images, none that is labelled already: their positions, (k,), in the order of their choice."""
        ...

    def reason(self, values: Mapping[str, float]) -> str:
        """Say why it picked an image, given what its columns hold of it."""
        ...


class Segmenter(Protocol):
    """A torch network that marks foreground; it normalises its own input."""

    @property
    def name(self) -> str:
        """Its registered name."""
        ...

    @property
    def multiple(self) -> int:
        """What the sides of its input must be a multiple of."""
        ...

    def forward(self, pictures: Any) -> Any:
        """RGB pictures of 0-1, (b, 3, h, w), become logits of foreground, (b, 1, h, w)."""
        ...

    def logits(self, pictures: Any) -> tuple[Any, ...]:
        """Every map that the loss is taken of, (b, 1, h, w) each; the last is that of `forward`."""
        ...

    def encode(self, pictures: Any) -> tuple[Any, ...]:
        """The feature maps that stand for the pictures, (b, c, h', w') each: the backbone's layers."""
        ...


class Store(Protocol):
    """Keeps features."""

    def open(self, identity: Mapping[str, Any], length: int) -> Any:
        """Open the features of one identity, made where there are none yet."""
        ...


class Runner(Protocol):
    """Runs picklable tasks somewhere, and knows nothing of what they do."""

    @property
    def processes(self) -> bool:
        """Whether tasks run in processes of their own: numerics, which use all cores of one by themselves, gain only then."""
        ...

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """Yield ``function(task)`` for every task, in order; an exception in a task is raised here."""
        ...

    def reduce(self, function: Callable[[T], R], combine: Callable[[R, R], R], tasks: Sequence[T]) -> R:
        """``function(task)`` of every task, combined two by two in a bracketing that depends on their number alone."""
        ...

    def on_processors(self) -> Runner:
        """The same for tasks that need no accelerator: they wait for none."""
        ...
