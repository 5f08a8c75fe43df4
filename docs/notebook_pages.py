"""Make pages of the notebooks in docs/notebooks/, with their text and code and no output; mkdocs calls this as a hook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

FOLDER = Path(__file__).parent / "notebooks"


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each notebook beside the notebook itself, which can be downloaded."""
    for notebook in sorted(FOLDER.glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{notebook.stem}.md", content=page(notebook)))
    return files


def page(notebook: Path) -> str:
    """Write a notebook as Markdown, with a link to its file under the title."""
    title, *rest = cells(notebook)
    head, _, text = title.partition("\n")
    parts = [f"{head}\n\n[{notebook.name}]({notebook.name}) is this page as a notebook.\n{text}", *rest]
    return "\n\n".join(parts) + "\n"


def cells(notebook: Path) -> list[str]:
    """List the cells of a notebook as Markdown; links from one notebook to another lead to its page."""
    found = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        found.append(f"```python\n{source}\n```" if cell["cell_type"] == "code" else source.replace(".ipynb)", ".md)"))
    return found
