"""The shipped suites find the faults that they are there for, and let sound objects pass."""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from howfar.arrays import as_pair
from howfar.backbones import load_backbone
from howfar.distances import energy, image_to_dataset, kid, mahalanobis
from howfar.errors import InputError
from howfar.protocols import Backbone
from howfar.segmenters import ArchitectureOptions, SegmenterFamily, TrainingDefaults
from howfar.selection.candidates import Candidates, FunctionStrategy
from howfar.selection.diversity import KMEANSPP
from howfar.selection.random_and_ranked import NEAR, STRATIFIED
from howfar.testing import BackboneTests, DistanceTests, SegmenterTests, StrategyTests

COUNTER = itertools.count()
FOUND = (AssertionError, pytest.fail.Exception, ValueError, RuntimeError)
"""How a suite fails; `pytest.fail.Exception` is raised where bad input is let pass."""


class Odd:
    """A near strategy with one thing wrong: some of what it says, or `pick`."""

    def __init__(self, pick: Callable[..., Any] = NEAR.pick, **says: Any) -> None:
        self.name, self.needs, self.nested, self.pick = "odd", ("distance",), True, pick
        self.reason: Callable[[Mapping[str, float]], Any] = lambda values: "near"
        vars(self).update(says)


def measuring(distance: Callable[[dict[str, Any]], Any]) -> Odd:
    """Pick as near does, by another distance."""
    return Odd(lambda columns, *rest: NEAR.pick({**columns, "distance": distance(columns)}, *rest))


def changed(change: Callable[[Any], Any]) -> Odd:
    """Change what near picks."""
    return Odd(lambda *given: change(NEAR.pick(*given)))


def strategies(strategy: Any, **claims: Any) -> StrategyTests:
    return type("Suite", (StrategyTests,), {"strategy": strategy, **claims})()


def with_rule(rule: Callable[[Candidates, int, np.random.Generator], Any]) -> FunctionStrategy:
    return replace(NEAR, rule=rule, nested=True)


def in_place(columns: Any, *rest: Any) -> Any:
    columns["distance"] *= 2.0
    return NEAR.pick(columns, *rest)


def forgets_labels(columns: Any, k: int, rng: Any, labelled: Any) -> Any:
    Candidates.of("odd", columns, ("distance",), labelled)
    return NEAR.pick(columns, k, rng)


def clips(columns: Any, k: Any, rng: Any, labelled: Any = None) -> Any:
    return NEAR.pick(columns, min(max(int(k), 1), 5), rng, labelled)


# Names are of no account.
BY_ROWS = Odd(lambda columns, *rest: NEAR.pick({"distance": np.round(columns["distance"])}, *rest))
STRATEGIES: list[tuple[Any, ...]] = [
    (Odd(name="two words"), "what_it_says_of_itself"),
    (Odd(needs=["distance"]), "what_it_says_of_itself"),
    (Odd(nested=None), "what_it_says_of_itself"),
    (Odd(reason=lambda values: ""), "what_it_says_of_itself"),
    (Odd(reason=lambda values: "two\nlines"), "what_it_says_of_itself"),
    (changed(lambda picks: picks.tolist()), "picks", 3),
    (changed(lambda picks: picks.astype(np.int8)), "picks", 3),
    (changed(lambda picks: picks[:1]), "picks", 3),
    (changed(lambda picks: picks * 0), "picks", 3),
    (changed(lambda picks: picks + 1), "picks", 40),
    (Odd(forgets_labels), "labelled_images_are_never_picked", 12),
    (with_rule(lambda pool, k, rng: (pool.free + next(COUNTER))[:k] % len(pool)), "again"),
    (changed(lambda picks: picks[::-1]), "nested"),
    (replace(STRATIFIED, nested=True), "nested"),
    (BY_ROWS, "order_of_rows"),
    (with_rule(lambda pool, k, rng: np.searchsorted(np.sort(pool["distance"]), pool["distance"][:k])), "equal_images"),
    (with_rule(lambda pool, k, rng: np.argsort(pool["distance"], kind="stable")[np.arange(k) // 2 * 2]), "equal_images"),
    (measuring(lambda columns: np.nan_to_num(np.asarray(columns["distance"]))), "an_image_without_a_value_is_not_picked"),
    (Odd(clips), "what_is_no_count_is_refused", 0),
    (Odd(clips), "what_is_no_count_is_refused", 1.5),
    (Odd(clips), "more_than_are_left_is_refused"),
    (measuring(lambda columns: np.asarray(next(iter(columns.values())), dtype=object) != ""), "a_missing_column_is_named"),
    (Odd(name="another"), "a_missing_column_is_named"),
    (Odd(in_place), "columns_are_left_alone"),
    (measuring(lambda columns: (1 if len(columns) == 2 else -1) * np.asarray(columns["distance"])), "again"),
    (
        measuring(lambda columns: np.asarray(columns["distance"]) * (6 - np.asarray(columns["distance"]).itemsize)),
        "number_types",
    ),
    (Odd(lambda c, k, rng, labelled=None: NEAR.pick(c, k, np.random.default_rng(rng))), "what_is_no_count_is_refused", 0),
]


def test_what_a_strategy_does_not_claim_is_not_asked_for() -> None:
    strategies(STRATIFIED).test_nested()
    strategies(BY_ROWS, by_name=False).test_order_of_rows()
    strategies(KMEANSPP).test_nested()


def distances(distance: Callable[..., Any], **claims: Any) -> DistanceTests:
    return type("Suite", (DistanceTests,), {"distance": staticmethod(distance), **claims})()


def unclamped(s: Any, p: Any) -> Any:
    s, p = as_pair(s, p)
    with np.errstate(invalid="ignore"):
        return np.sqrt((s * s).sum(1)[:, None] + (p * p).sum(1) - 2 * s @ p.T).mean(axis=1)


def writes_into_its_input(s: Any, p: Any) -> Any:
    s, p = as_pair(s, p)
    s -= p.mean(axis=0)
    return image_to_dataset(s, p)


def without_validation(s: Any, p: Any) -> Any:
    return cdist(np.asarray(s), np.asarray(p)).mean(axis=1)


DISTANCES: list[tuple[Any, ...]] = [
    (unclamped, "finite_for_degenerate_sets", "repeated rows"),
    (lambda s, p: cdist(*as_pair(s, p))[:, 0], "order_of_rows"),
    (lambda s, p: image_to_dataset(s, p) / image_to_dataset(s, p).max(), "images_do_not_affect_each_other"),
    (lambda s, p: -image_to_dataset(s, p), "finite_and_not_negative", 0.0, np.float64),
    (lambda s, p: -image_to_dataset(s, p), "grows_with_distance"),
    (lambda s, p: image_to_dataset(s, p).astype(np.float32), "shape_and_type"),
    (lambda s, p: image_to_dataset(s, p)[:, None], "shape_and_type"),
    (lambda s, p: image_to_dataset(s, p) + 1.0, "equal_images_throughout"),
    (lambda s, p: image_to_dataset(s, np.asarray(p) * 1.01), "claims"),
    (lambda s, p: image_to_dataset(s, p) * np.asarray(s).itemsize, "number_types"),
    (lambda s, p: image_to_dataset(s, p) * np.random.default_rng().uniform(0.9, 1.0), "again"),
    (writes_into_its_input, "again"),
    (without_validation, "malformed_input_is_refused", "NaN"),
    (without_validation, "malformed_input_is_refused", "infinity"),
]


@pytest.mark.parametrize(
    ("suite", "test", "arguments"),
    [
        (distances(lambda s, p: float(mahalanobis(s, p).mean()), per_image=False, symmetric=True), "claims", ()),
        (distances(kid, per_image=False, zero_on_itself=True), "claims", ()),
        (distances(lambda s, p: -energy(s, p), per_image=False), "finite_and_not_negative", (0.0, np.float64)),
        (distances(image_to_dataset, least_images=(1, 3)), "fewest_images", ()),
    ],
)
def test_what_a_distance_claims_is_held_to(suite: DistanceTests, test: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(FOUND):
        getattr(suite, f"test_{test}")(*arguments)


class Moments:
    """Colour moments, to be broken in one way a time."""

    name = "sound"
    layers: Any = (3, 3)
    described: Mapping[str, Any] = {}

    def __init__(self, **options: Any) -> None:
        self.identity: Mapping[str, Any] = {"name": "sound", "dtype": "float32", **options, **self.described}
        self._scale = np.float32(options.get("scale", 1))
        self._moments = load_backbone("colour_moments")

    def prepare(self, image: Any) -> Any:
        return self._moments.prepare(image)

    def embed(self, batch: Any) -> Any:
        return self._moments.embed(batch) * self._scale


def backbones(made: type[Moments], changes: tuple[Mapping[str, Any], ...] = ({"scale": 2},)) -> BackboneTests:
    class Suite(BackboneTests):
        length = 6

        def make(self, **options: Any) -> Backbone:
            options.pop("device", None)
            return made(**options)

        def changes(self) -> tuple[Mapping[str, Any], ...]:
            return changes

    return Suite()


def broken(kind: type = Moments, **parts: Any) -> Any:
    return type("Broken", (kind,), parts)


def times(factor: Callable[[Any], float]) -> Any:
    """Features that are multiplied by a number."""
    return broken(embed=lambda self, batch: Moments.embed(self, batch) * np.float32(factor(batch)))


def writes(self: Any, batch: Any) -> Any:
    features = Moments.embed(self, batch)
    batch[:] = 0
    return features


def records(self: Any, batch: Any) -> Any:
    weight = torch.ones(1, requires_grad=True)
    return Moments.embed(self, batch) * (weight * 1).detach().numpy()


def one_buffer(self: Any, batch: Any) -> Any:
    # Threads overwrite each other's features: the sleep hands over in between.
    self.shared = batch
    time.sleep(0.002)
    return Moments.embed(self, self.shared)


def only_rgb(self: Any, image: Any) -> Any:
    values = np.atleast_3d(np.asarray(image)).astype(float)[..., :1]
    return np.full((2, 3), values.mean() / 255) + np.arange(6).reshape(2, 3)


BACKBONES: list[tuple[Any, ...]] = [
    (broken(name=""), "protocol"),
    (broken(described={"dtype": "float16"}), "protocol"),
    (broken(described={"device": "cpu"}), "protocol"),
    (broken(layers=(3, 4)), "shape_and_dtype"),
    (broken(embed=lambda self, batch: Moments.embed(self, batch).astype(np.float64)), "shape_and_dtype"),
    (times(lambda batch: 0), "shape_and_dtype"),
    (times(lambda batch: 1 + 1e-3 * next(COUNTER)), "deterministic"),
    (broken(embed=writes), "deterministic"),
    (broken(embed=writes), "batch_size_does_not_matter"),
    (times(lambda batch: 1 + 1e-4 * len(batch)), "batch_size_does_not_matter"),
    (broken(embed=one_buffer), "threads"),
    (broken(embed=records), "no_gradients"),
    (broken(described={"scale": 1}), "identity_follows_the_feature"),
    (broken(embed=lambda self, batch: self._moments.embed(batch)), "identity_follows_the_feature"),
    (broken(prepare=only_rgb), "odd_images"),
    (broken(prepare=lambda self, image: np.asarray(image.convert("RGB"))), "odd_images"),
]


class Options(ArchitectureOptions):
    width: int = 4


class Sound(nn.Module):
    """One trained convolution each for maps and logits, behind a frozen one; to be broken in one way a time."""

    name = "sound"
    multiple: Any = 4

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fixed = nn.Conv2d(3, 3, 1).requires_grad_(False)
        self.features = nn.Conv2d(3, width, 4, stride=4)
        self.foreground = nn.Conv2d(width, 1, 1)

    def check(self, pictures: Tensor) -> None:
        if pictures.shape[2] % 4 or pictures.shape[3] % 4:
            raise InputError("sides")

    def encode(self, pictures: Tensor) -> Any:
        self.check(pictures)
        return (self.features(self.fixed(pictures)),)

    def forward(self, pictures: Tensor) -> Tensor:
        return nn.functional.interpolate(self.foreground(Sound.encode(self, pictures)[0]), scale_factor=4)

    def logits(self, pictures: Tensor) -> Any:
        return (self(pictures),)


def segmenters(network: type[Sound] = Sound, **claims: Any) -> SegmenterTests:
    family = SegmenterFamily("sound", Options, lambda checked, _: network(checked.width), TrainingDefaults(), "", multiple=4)
    return type("Suite", (SegmenterTests,), {"family": family, **claims})()


def each(change: Any) -> Any:
    """Maps changed, the logits sound."""
    return broken(Sound, encode=lambda self, x: tuple(change(one) for one in Sound.encode(self, x)))


def whole(change: Any) -> Any:
    """Logits changed, the maps sound."""
    return broken(Sound, forward=lambda self, x: change(Sound.forward(self, x)))


def shrinks(self: Any, pictures: Tensor) -> Any:
    (found,) = Sound.encode(self, pictures)
    return (found if pictures.any() else found[..., 1:],)


def by_memory(self: Any, pictures: Tensor) -> Tensor:
    flat = torch.as_strided(pictures, (pictures.numel(),), (1,))
    return Sound.forward(self, flat.view(pictures.shape))


class Forgets(Sound):
    """What it draws is no part of its state."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.drawn = torch.rand(())

    def forward(self, pictures: Tensor) -> Tensor:
        return Sound.forward(self, pictures) + self.drawn


class Idle(Sound):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.head = nn.Linear(2, 2)


def thaws(self: Any, pictures: Tensor) -> Any:
    self.fixed.requires_grad_(True)
    return Sound.logits(self, pictures)


SEGMENTERS: list[tuple[Any, ...]] = [
    (broken(Sound, name="other"), "protocol"),
    (whole(lambda one: one[:, 0]), "shape_and_dtype"),
    (whole(lambda one: one / 0), "shape_and_dtype"),
    (broken(Sound, logits=lambda self, x: (self(x), self(x) + 1)), "shape_and_dtype"),
    (broken(Sound, encode=lambda self, x: list(Sound.encode(self, x))), "maps"),
    (broken(Sound, encode=shrinks), "maps"),
    (each(lambda one: 0 * one), "maps"),
    (whole(lambda one: 0 * one), "maps"),
    (broken(Sound, forward=lambda self, x: Sound.forward(self, x.mul_(0.5))), "deterministic"),
    (whole(lambda one: one - one.mean()), "deterministic"),
    (broken(Sound, check=lambda self, x: None), "sides_are_checked"),
    (broken(Sound, forward=by_memory), "layout_in_memory"),
    (Forgets, "weights_travel"),
    (Idle, "gradients"),
    (broken(Sound, logits=thaws), "gradients"),
]


def test_what_a_segmenter_claims_is_held_to() -> None:
    segmenters(length=4 * 16 * 16).test_maps()
    segmenters(Idle, idle=("head.",)).test_gradients()
    with pytest.raises(AssertionError):
        segmenters(length=4 * 16 * 16 + 1).test_maps()
    with pytest.raises(InputError):
        segmenters(refusal=KeyError).test_sides_are_checked()


SUITES: dict[str, tuple[Callable[..., Any], Any, list[tuple[Any, ...]]]] = {
    "strategy": (strategies, NEAR, STRATEGIES),
    "distance": (distances, image_to_dataset, DISTANCES),
    "backbone": (backbones, Moments, BACKBONES),
    "segmenter": (segmenters, Sound, SEGMENTERS),
}
ROWS = [(kind, number) for kind, (_, _, rows) in SUITES.items() for number in range(len(rows))]


@pytest.mark.parametrize(("kind", "number"), ROWS, ids=[f"{kind}-{k}-{SUITES[kind][2][k][1]}" for kind, k in ROWS])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_fault_is_found(kind: str, number: int) -> None:
    suite, sound, rows = SUITES[kind]
    faulty, test, *arguments = rows[number]
    getattr(suite(sound), f"test_{test}")(*arguments)
    with pytest.raises(FOUND):
        getattr(suite(faulty), f"test_{test}")(*arguments)
