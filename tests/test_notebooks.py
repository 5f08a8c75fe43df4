"""The notebooks of the documentation: without outputs, in cells that are valid and short, and on its pages."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
LINES, WIDTH = 20, 160


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return found


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_stripped(notebook):
    nbformat: Any = pytest.importorskip("nbformat", reason="nbformat, of the extra dev, is absent")
    nbformat.validate(nbformat.read(notebook, as_version=4))
    document = json.loads(notebook.read_text(encoding="utf-8"))
    assert set(document["metadata"]) == {"kernelspec", "language_info"}
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"] is not None or cell["metadata"]] == []
    assert document["cells"][0]["source"][0].startswith("# ")


def test_they_load_nothing_from_elsewhere():
    text = " ".join(notebook.read_text(encoding="utf-8") for notebook in NOTEBOOKS)
    assert re.findall(r"https?://|hf://|s3://|pip install|urlopen|requests", text) == []


def test_the_navigation_has_a_page_for_each():
    text = re.sub(r"!!python\S+", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    config = yaml.safe_load(text)
    (group,) = [entry["Notebooks"] for entry in config["nav"] if "Notebooks" in entry]
    assert sorted(next(iter(entry.values())) for entry in group) == [f"notebooks/{path.stem}.md" for path in NOTEBOOKS]
    assert config["hooks"] == ["docs/notebook_pages.py"]
