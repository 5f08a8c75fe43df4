"""onnxruntime is loaded and run without a word of its own on the user's terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from howfar.errors import MissingExtraError
from howfar.weights.onnx import import_onnxruntime, open_session

LOUD = """
import os
os.write(2, b"a banner of the library\\n")
severity = []
set_default_logger_severity = severity.append
"""


def test_what_it_prints_while_it_is_loaded_is_not_seen(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text(LOUD, encoding="utf-8")
    code = "from howfar.weights.onnx import import_onnxruntime as load; print(load('it').severity)"
    code += "; import os; os.write(2, b'still there')"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"], capture_output=True
    )
    assert (done.stdout, done.stderr) == (b"[4]\n", b"still there")


def test_an_error_that_it_raises_is_not_printed_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "damaged.onnx").write_bytes(b"no network")
    with pytest.raises(Exception, match="failed"):
        open_session("it", tmp_path / "damaged.onnx", ["CPUExecutionProvider"])
    assert capfd.readouterr().err == ""


def test_where_it_is_absent_the_line_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="it needs onnxruntime: pip install onnxruntime"):
        import_onnxruntime("it")
