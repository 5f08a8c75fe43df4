"""What is asked of the hub for a model in its format, with a client that stands in for the hub's."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest

from howfar.backbones import load_backbone
from howfar.backbones.hub_models import WANTED
from howfar.errors import MissingPathError
from howfar.weights.hub import hub_folder

Hub = Callable[..., list[str]]
CacheModel = Callable[[str, Path], Path]


@pytest.fixture
def hub(offline: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    """(files of the repository) -> the names fetched so far."""
    monkeypatch.setattr("howfar.weights.hub.why_unreachable", lambda *_: None)

    def holds(*files: str) -> list[str]:
        fetched: list[str] = []

        def snapshot(repository: str, allow_patterns: list[str]) -> str:
            folder = tmp_path / repository.replace("/", "-")
            folder.mkdir(exist_ok=True)
            for file in files:
                if any(fnmatch(file, pattern) for pattern in allow_patterns):
                    (folder / file).touch()
                    fetched.append(file)
            return str(folder)

        monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
        return fetched

    return holds


OTHERS = ("README.md", "tf_model.h5", "model.onnx", "model.fp16.safetensors", "flax_model.msgpack", "tokenizer.json")


def test_only_what_is_needed_is_fetched(hub: Hub) -> None:
    fetched = hub("config.json", "preprocessor_config.json", "model.safetensors", "pytorch_model.bin", *OTHERS)
    found = hub_folder("a", "owner/a", WANTED, ("preprocessor_config.json",))
    assert sorted(fetched) == ["config.json", "model.safetensors", "preprocessor_config.json"]
    assert (found / "model.safetensors").is_file()


def test_parts_of_large_weights(hub: Hub) -> None:
    parts = ("model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    fetched = hub("config.json", *parts, *OTHERS)
    hub_folder("a", "owner/a", WANTED)
    assert sorted(fetched) == sorted(["config.json", *parts])


def test_older_repositories_have_torchs_file(hub: Hub) -> None:
    fetched = hub("config.json", "pytorch_model.bin", *OTHERS)
    hub_folder("a", "owner/a", WANTED)
    assert sorted(fetched) == ["config.json", "pytorch_model.bin"]


def test_a_repository_without_weights(hub: Hub) -> None:
    hub("config.json", *OTHERS)
    with pytest.raises(
        MissingPathError, match=r"\(it lacks model.safetensors\): download config.json, model.safetensors of owner/a"
    ):
        hub_folder("a", "owner/a", WANTED)


def test_a_failing_download_is_one_line(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("bad\ngateway")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(
        MissingPathError, match=r"of dinov2 .* \(bad gateway\): download config.json, model.safetensors \(346 MB\)"
    ):
        load_backbone("dinov2")


PROCESSOR = "preprocessor_config.json"


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """The two files that a model must have."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in ("config.json", "model.safetensors"):
        (folder / file).write_text("{}")
    return folder


def test_what_stands_beside_cached_weights_is_fetched(hub: Hub, cache_model: CacheModel, model_folder: Path) -> None:
    cache_model("owner/a", model_folder)
    fetched = hub("config.json", "model.safetensors", PROCESSOR, *OTHERS)
    found = hub_folder("a", "owner/a", WANTED, (PROCESSOR,))
    assert (found / PROCESSOR).is_file()
    assert PROCESSOR in fetched
    assert not set(fetched) & set(OTHERS)


def test_a_complete_cache_is_asked_nothing(hub: Hub, cache_model: CacheModel, model_folder: Path) -> None:
    (model_folder / PROCESSOR).write_text("{}")
    place = cache_model("owner/a", model_folder)
    fetched = hub("config.json", "model.safetensors", PROCESSOR)
    assert hub_folder("a", "owner/a", WANTED, (PROCESSOR,)) == place
    assert not fetched


def test_what_is_known_to_be_absent_is_not_asked_for(hub: Hub, cache_model: CacheModel, model_folder: Path) -> None:
    place = cache_model("owner/a", model_folder)
    known = place.parents[1] / ".no_exist" / place.name
    known.mkdir(parents=True)
    (known / PROCESSOR).touch()
    fetched = hub("config.json", "model.safetensors")
    assert hub_folder("a", "owner/a", WANTED, (PROCESSOR,)) == place
    assert not fetched


@pytest.mark.parametrize("failing", [False, True])
def test_offline_it_is_said_that_something_may_be_missing(
    failing: bool,
    hub: Hub,
    cache_model: CacheModel,
    model_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = cache_model("owner/a", model_folder)
    if failing:

        def fail(*_: object, **__: object) -> None:
            raise OSError("no route")

        monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    else:
        monkeypatch.setattr("howfar.weights.hub.why_unreachable", lambda *_: "no route")
    assert hub_folder("a", "owner/a", WANTED, (PROCESSOR,)) == place
    (line,) = caplog.messages
    assert line.startswith(f"a: {PROCESSOR} of owner/a is not in the hub's cache and cannot be fetched (no route)")
