"""Headers of arrays are read though other threads parse Python's source text meanwhile."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import pytest

from howfar.io.archive import read_array, read_header


def stored() -> bytes:
    file = io.BytesIO()
    np.save(file, np.eye(3))
    return file.getvalue()


def failing(times: int, read: Callable[..., Any]) -> Callable[[BinaryIO], Any]:
    """NumPy's reader, which some times meets what Python 3.11 raises where two threads parse at once."""
    left = [times]

    def reader(stream: BinaryIO) -> Any:
        found = read(stream)
        if left[0]:
            left[0] -= 1
            raise SystemError("AST constructor recursion depth mismatch (before=48, after=45)")
        return found

    return reader


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_parser_that_another_thread_disturbed_is_asked_again(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data, read = stored(), np.lib.format.read_array_header_1_0
    monkeypatch.setattr(np.lib.format, "read_array_header_1_0", failing(times, read))
    assert read_header(io.BytesIO(data), len(data)).shape == (3, 3)
    assert read_array(data).tolist() == np.eye(3).tolist()


def test_one_that_never_recovers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    data, read = stored(), np.lib.format.read_array_header_1_0
    monkeypatch.setattr(np.lib.format, "read_array_header_1_0", failing(9, read))
    with pytest.raises(ValueError, match="its header is damaged: AST constructor"):
        read_header(io.BytesIO(data), len(data))
