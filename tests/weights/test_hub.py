from __future__ import annotations

import socket
from pathlib import Path

import pytest

from howfar.weights import published


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(published, "getproxies", dict)
    return tmp_path


def no_name(*args: object) -> None:
    raise socket.gaierror(-2, "Name or service not known")


def test_unresolved_host(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://hub.example:8080")
    assert published.why_unreachable("a/b", ("model.safetensors",)) == "hub.example: Name or service not known"


def test_a_proxy_may_resolve_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    monkeypatch.setattr(published, "getproxies", lambda: {"https": "http://proxy.example"})
    assert published.why_unreachable("a/b", ("model.safetensors",)) is None


def test_resolved_host_may_be_tried(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
    assert published.why_unreachable("a/b", ("model.safetensors",)) is None


def test_offline_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert published.why_unreachable("a/b", ("model.safetensors",)) == "HF_HUB_OFFLINE is set"


def test_cached_file_needs_no_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    snapshot = cache / "models--a--b" / "snapshots" / ("0" * 40)
    (cache / "models--a--b" / "refs").mkdir(parents=True)
    (cache / "models--a--b" / "refs" / "main").write_text("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"")
    assert published.why_unreachable("a/b", ("pytorch_model.bin", "model.safetensors")) is None
    assert published.why_unreachable("a/b", ("pytorch_model.bin",)) == "HF_HUB_OFFLINE is set"
