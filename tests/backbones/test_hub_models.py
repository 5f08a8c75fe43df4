"""What is asked of the hub for a model in its format, with a client that stands in for the hub's."""

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest

from howfar.weights.hub_downloads import hub_folder
from howfar.weights.hub_models import REQUIRED_FILES

Hub = Callable[..., list[str]]


@pytest.fixture
def hub(offline: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    """(files of the repository) -> the names fetched so far."""
    monkeypatch.setattr("howfar.weights.hub_downloads.why_unreachable", lambda *_: None)

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


PARTS = ("model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (
            ("preprocessor_config.json", "model.safetensors", "pytorch_model.bin"),
            ("preprocessor_config.json", "model.safetensors"),
        ),
        (PARTS, PARTS),
        # Older repositories have torch's file.
        (("pytorch_model.bin",), ("pytorch_model.bin",)),
    ],
)
def test_only_what_is_needed_is_fetched(held: tuple[str, ...], wanted: tuple[str, ...], hub: Hub) -> None:
    fetched = hub("config.json", *held, *OTHERS)
    hub_folder("a", "owner/a", REQUIRED_FILES, ("preprocessor_config.json",))
    assert sorted(fetched) == sorted(["config.json", *wanted])


PROCESSOR = "preprocessor_config.json"


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """The two files that a model must have."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in ("config.json", "model.safetensors"):
        (folder / file).write_text("{}")
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, offline: Path) -> Callable[..., list[tuple[str, str]]]:
    """(what the hub does with a request) -> the files that it was asked for, with their revisions."""

    def answering(answer: Exception | None) -> list[tuple[str, str]]:
        requests: list[tuple[str, str]] = []

        def download(repository: str, file: str, revision: str) -> None:
            requests.append((file, revision))
            if answer is not None:
                raise answer
            (offline / f"models--{repository.replace('/', '--')}" / "snapshots" / revision / file).write_text("{}")

        monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
        return requests

    return answering


def test_what_stands_beside_cached_weights_is_fetched(hub, asked, cache_model, model_folder, caplog):
    place = cache_model("owner/a", model_folder)
    requests, whole = asked(None), hub(*OTHERS)
    assert hub_folder("a", "owner/a", REQUIRED_FILES, (PROCESSOR,)) == place
    assert (place / PROCESSOR).is_file()
    # Of the revision that the weights are of, and nothing else.
    assert requests == [(PROCESSOR, place.name)]
    assert not whole
    hub_folder("a", "owner/a", REQUIRED_FILES, (PROCESSOR,))
    assert len(requests) == 1
    assert not caplog.messages


@pytest.mark.parametrize("failing", [False, True])
def test_offline_it_is_said_that_something_may_be_missing(failing, hub, asked, cache_model, model_folder, monkeypatch, caplog):
    place = cache_model("owner/a", model_folder)
    requests = asked(OSError("no route"))
    if not failing:
        monkeypatch.setattr("howfar.weights.hub_downloads.why_unreachable", lambda *_: "no route")
    assert hub_folder("a", "owner/a", REQUIRED_FILES, (PROCESSOR,)) == place
    assert len(requests) == failing
    (line,) = caplog.messages
    assert line.startswith(f"a: {PROCESSOR} of owner/a is not in the hub's cache and cannot be fetched (no route)")
