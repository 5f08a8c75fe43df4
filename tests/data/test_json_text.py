"""JSON and XML of labels say what they will take in memory before they take it."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from howfar.data.boxes import read_document
from howfar.data.documents import parsed
from howfar.data.label_exports import read_export
from howfar.errors import InputError

TEXTS = {
    "objects": "[" + ",".join(["{}"] * 20_000) + "]",
    "pairs": "[" + ",".join(['{"a":1}'] * 20_000) + "]",
    "numbers": "[" + ",".join(["1.5"] * 20_000) + "]",
    "lists": "[" + ",".join(["[]"] * 20_000) + "]",
    "texts": json.dumps([f"text {number}" for number in range(20_000)]),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_what_is_counted_is_enough(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    monkeypatch.setattr("howfar.data.documents.check_file", lambda needed, *_: counted.append(needed))
    tracemalloc.start()
    parsed(TEXTS[kind])
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken <= counted[0] <= 8 * taken


@pytest.mark.parametrize("name", ["labels.json", "labels.xml"])
def test_an_export_that_would_take_too_much_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TEXTS["objects"] if name.endswith("json") else "<annotations>" + "<a/>" * 40_000 + "</annotations>"
    (tmp_path / name).write_text(text)
    monkeypatch.setenv("HOWFAR_MEMORY", "1MB")
    with pytest.raises(InputError, match="memory must be at least"):
        read_export(tmp_path / name)


def test_boxes_that_would_take_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "boxes.json").write_text(TEXTS["objects"])
    monkeypatch.setenv("HOWFAR_MEMORY", "1MB")
    with pytest.raises(InputError, match="memory must be at least"):
        read_document(tmp_path / "boxes.json", "boxes")


@pytest.mark.parametrize(("text", "fine"), [(r'["\ud83d\ude00"]', True), (r'["\\ud800"]', True), (r'["\ud800"]', False)])
def test_half_a_character_is_refused(text: str, fine: bool) -> None:
    if fine:
        assert parsed(text) == json.loads(text)
    else:
        with pytest.raises(ValueError, match="half a character"):
            parsed(text)
