"""A function of a batch is a backbone; its features are stored where it has a name, and else kept for one run."""

from __future__ import annotations

import gc
import pickle
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import howfar
from howfar.backbones import function, is_stored
from howfar.errors import HowfarError, InputError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests


def means(batch: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean colour of rows."""
    return batch.mean(axis=2)


def by_torch(batch: NDArray[np.uint8]) -> torch.Tensor:
    """The same by a network that could record gradients."""
    weight = torch.nn.Parameter(torch.ones(1))
    return torch.from_numpy(np.array(batch)).float().mean(dim=2) * weight


class TestFunction(BackboneTests):
    length = 3 * 24

    def make(self, **options: Any) -> Backbone:
        options.pop("device", None)
        return function(means, **{"name": "means", "size": (24, 32), **options})

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return {"size": (24, 48)}, {"fit": "crop"}, {"via": 8}


class TestTorchFunction(TestFunction):
    def make(self, **options: Any) -> Backbone:
        options.pop("device", None)
        return function(by_torch, **{"name": "means", "size": (24, 32), **options})


def test_the_name_is_the_identity() -> None:
    one, other, again = function(means, "v1"), function(means, "v2"), function(lambda batch: means(batch) + 1, "v1")
    assert one.identity != other.identity
    assert one.identity == again.identity


def test_without_a_name_no_two_are_the_same() -> None:
    one, other = function(means), function(means)
    assert one.name == other.name == "means"
    assert one.identity != other.identity
    assert [is_stored(one), is_stored(function(means, "means"))] == [False, True]


def test_a_batch_is_uint8_rgb_and_one_at_a_time() -> None:
    seen, inside = list[Any](), threading.Lock()

    def call(batch: NDArray[np.uint8]) -> Any:
        assert inside.acquire(blocking=False), "two batches at a time"
        time.sleep(0.002)
        seen.append((batch.dtype, batch.shape))
        inside.release()
        return batch.reshape(len(batch), -1)[:, :2]

    backbone = function(call, size=16)
    batch = np.zeros((3, 16, 16, 3), np.uint8)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(backbone.embed, [batch] * 8))
    assert seen == [(np.uint8, (1, 16, 16, 3)), *[(np.uint8, (3, 16, 16, 3))] * 8]


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda batch: 3, r"must return an array or tensor of \(b, q\) numbers, here \(1, q\), got int"),
        (lambda batch: np.zeros(5), r"got float64 values of shape \(5,\)"),
        (lambda batch: np.zeros((2, 5)), r"got float64 values of shape \(2, 5\)"),
        (lambda batch: {"out": batch}, "got a dict of out"),
        (lambda batch: np.full((1, 3), np.inf), "must return finite numbers, got NaN or infinity"),
        (lambda batch: np.zeros((1, 0)), "must return finite numbers, got none"),
        (lambda batch: 1 / 0, r"failed on uint8 \(1, 224, 224, 3\) \(ZeroDivisionError: division by zero\)"),
    ],
)
def test_a_function_that_gives_no_features_is_refused_in_one_line(call: Any, line: str) -> None:
    with pytest.raises(HowfarError, match=f"the function <lambda> .*{line}"):
        function(call)


def test_options_that_are_wrong() -> None:
    for options, line in (
        ({"size": 0}, "size must be"),
        ({"fit": "cut"}, "fit must be one of"),
        ({"name": " "}, "name must be text"),
    ):
        with pytest.raises(InputError, match=line):
            function(means, **options)  # type: ignore[arg-type]


def test_pickled_it_is_the_same() -> None:
    backbone = function(means, size=16)
    again = pickle.loads(pickle.dumps(backbone))
    assert again.identity == backbone.identity
    batch = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    assert np.array_equal(again.embed(batch), backbone.embed(batch))


QUICK: dict[str, Any] = {"baselines": False, "bootstrap": 0, "permutations": 0, "progress": False}


def test_features_of_a_function_without_a_name_are_kept_for_one_run(
    demo_folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    called = list[int]()

    def call(batch: NDArray[np.uint8]) -> NDArray[np.float64]:
        called.append(len(batch))
        return means(batch)

    features = howfar.embed(demo_folders[0], call, tmp_path / "store", size=16, progress=False)
    (note,) = features.notes
    assert note.startswith("features of the function call were not stored, as nothing tells it from another: howfar.backbones")
    assert len(list(tmp_path.glob("howfar-*"))) == 1
    before = len(called)
    again = howfar.embed(demo_folders[0], call, tmp_path / "store", size=16, progress=False)
    assert len(called) > before  # computed anew
    assert np.array_equal(again.rows.rows(0, 9), features.rows.rows(0, 9))
    del features, again
    gc.collect()
    assert not list(tmp_path.glob("howfar-*"))
    assert not (tmp_path / "store").exists()


def test_features_of_a_named_function_are_found_again(demo_folders: list[Path], tmp_path: Path) -> None:
    howfar.embed(demo_folders[0], function(means, "means", size=16), tmp_path, progress=False)

    def broken(batch: NDArray[np.uint8]) -> NDArray[np.float64]:
        assert len(batch) == 1, "an image was embedded again"
        return means(batch)

    found = howfar.embed(demo_folders[0], function(broken, "means", size=16), tmp_path, progress=False)
    assert not found.notes


def test_a_profile_needs_a_function_with_a_name(demo_folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must have a name that stands for it, since new images are to be scored by the same"):
        howfar.profile(demo_folders[0], means, progress=False)
    named = function(means, "means", size=16)
    profile = howfar.profile(demo_folders[0], named, progress=False, store=tmp_path)
    assert len(profile.score(demo_folders[1], named)) == len(howfar.Dataset.from_folder(demo_folders[1]))
    with pytest.raises(
        HowfarError, match="was profiled with means, which is no registered backbone: score in Python, and pass it"
    ):
        profile.score(demo_folders[1])
    with pytest.raises(InputError, match=r"backbone other must give the features that .* was profiled with"):
        profile.score(demo_folders[1], function(means, "other", size=16))
