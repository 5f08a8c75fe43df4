"""Define the interfaces (Protocols) of backbones, distances, estimators, strategies, segmenters and runners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

T = TypeVar("T")
R = TypeVar("R")


@runtime_checkable
class Rows(Protocol):
    """Read an (n, q) matrix in pieces, so that it need not fit in memory."""

    shape: tuple[int, int]

    def rows(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Return rows `start` to `stop`, shape (stop - start, q)."""

    def columns(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Return columns `start` to `stop` of every row, shape (n, stop - start)."""


class Backbone(Protocol):
    """Embed images: turn each into a vector in R^q (F of the paper, eq. 1), safely from several threads."""

    @property
    def name(self) -> str:
        """Return the registered name, with the model's where it has one (``timm:resnet18``)."""

    @property
    def layers(self) -> tuple[int, ...]:
        """Return the lengths of the parts that the feature is concatenated from; they sum to q."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Return what the feature depends on (weights hash, layer, pooling, preprocessing, dtype), as JSON values."""

    def prepare(self, image: Image | NDArray[np.uint8]) -> NDArray[Any]:
        """Turn one RGB picture into the model's input array; bands (h, w, c) only where its attribute `channels` is c."""

    def embed(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (b, ...) prepared pictures into (b, q) float32 features."""


class FittedEstimator(Protocol):
    """Estimate the performance of unlabelled images from their columns, after a fit."""

    @property
    def name(self) -> str:
        """Return the name of the estimator that was fitted."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of the columns that the estimator reads."""

    def predict(self, columns: Mapping[str, Any]) -> NDArray[np.float64]:
        """Estimate performance, (m,) in [0, 1]; NaN for an image that lacks a column."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as JSON values, from which `Estimator.restore` makes the same again."""


class Estimator(Protocol):
    """Learn from labelled images how to estimate an image's performance without its labels."""

    @property
    def name(self) -> str:
        """Return the registered name."""

    @property
    def kind(self) -> str:
        """Return the kind of evidence: baseline, distance, confidence, agreement or combined."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of the columns that the estimator reads, or may read before `resolve` has settled which."""

    def resolve(self, columns: Mapping[str, Any], sets: Any) -> Estimator | None:
        """Choose which columns the estimator reads, given those of some images and their sets; None where it cannot be used."""

    def fit(self, columns: Mapping[str, Any], performance: Any, sets: Any, groups: Any = None) -> FittedEstimator:
        """Learn from labelled images: their columns, performance, sets and, where known, photographs."""

    def restore(self, document: Mapping[str, Any]) -> FittedEstimator:
        """Rebuild a fit from the values of its `to_dict`."""


class Strategy(Protocol):
    """Choose which images to label."""

    @property
    def name(self) -> str:
        """Return the registered name."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the columns that the strategy reads: "distance" (scaled I^dist), "features" (projected) …."""

    @property
    def nested(self) -> bool:
        """Return whether fewer picks are the first of more, given a generator in the same state: 1 in 3, 3 in 7."""

    def pick(
        self, columns: Mapping[str, Any], k: int, rng: np.random.Generator, labelled: NDArray[np.bool_] | None = None
    ) -> NDArray[np.intp]:
        """Choose k of n images, none that is labelled already: their positions, (k,), in the order of their choice."""

    def reason(self, values: Mapping[str, float]) -> str:
        """Say why an image was picked, given the values of its columns."""


class Segmenter(Protocol):
    """Mark foreground in images: a torch network that normalises its own input."""

    @property
    def name(self) -> str:
        """Return the registered name."""

    @property
    def multiple(self) -> int:
        """Return the number that the sides of the input must be a multiple of."""

    def forward(self, pictures: Any) -> Any:
        """Compute logits of foreground, (b, 1, h, w), from RGB pictures of 0-1, (b, 3, h, w)."""

    def logits(self, pictures: Any) -> tuple[Any, ...]:
        """Compute every map that the loss is taken of, (b, 1, h, w) each; the last is that of `forward`."""

    def encode(self, pictures: Any) -> tuple[Any, ...]:
        """Compute the feature maps that stand for the pictures, (b, c, h', w') each: the backbone's layers."""


class StoreLike(Protocol):
    """Keep the features of images."""

    def open(self, identity: Mapping[str, Any], length: int) -> Any:
        """Open the features of one identity, made where there are none yet."""


class TrackedRun(Protocol):
    """Log to one run of an experiment tracker.

    Registered is the class: ``(name, group, settings, resumed)`` begins a run, or goes on with the one of that id, and its
    static method ``check()`` raises `MissingExtraError` where the library is absent.
    """

    @property
    def id(self) -> str:
        """Return by what the tracker knows the run."""

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Log the numbers of a step."""

    def end(self, succeeded: bool) -> None:
        """Mark the run as finished, or as stopped."""


class Runner(Protocol):
    """Run picklable tasks on this machine or a cluster, knowing nothing of what they do."""

    @property
    def processes(self) -> bool:
        """Return whether tasks run in processes of their own; only then do multithreaded numerics gain."""

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """Yield ``function(task)`` for every task, in order; an exception in a task is raised here."""

    def reduce(self, function: Callable[[T], R], combine: Callable[[R, R], R], tasks: Sequence[T]) -> R:
        """Combine ``function(task)`` of every task two by two, in a bracketing that depends on their number alone."""

    def on_processors(self) -> Runner:
        """Return this runner for tasks that need no accelerator, so that they wait for none."""
