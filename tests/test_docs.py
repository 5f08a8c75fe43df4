"""What pages refer to is there: pictures, the screenshots of every view, and the extras that packages are installed by."""

import importlib
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PICTURES = ROOT / "docs" / "pictures"
REFERRED = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
EXTRAS = re.compile(r"howfar\[([\w,-]+)\]|'\.\[([\w,-]+)\]'|\(extras? ((?:`[\w-]+`(?:, )?)+)\)")
MOST_BYTES = 1_500_000


def pictures(page: Path) -> set[Path]:
    found = (first or second for first, second in REFERRED.findall(page.read_text(encoding="utf-8")))
    return {(page.parent / name).resolve() for name in found if not name.startswith("http")}


def test_every_picture_of_a_page_is_there_and_each_that_is_there_is_shown():
    shown = {page: pictures(page) for page in PAGES}
    assert {
        page.name: missing for page, files in shown.items() if (missing := [str(f) for f in files if not f.is_file()])
    } == {}
    unseen = {file.name for file in PICTURES.iterdir()} - {file.name for files in shown.values() for file in files}
    assert unseen == set()


def test_screenshots_are_of_every_view_small_and_shown_in_both_schemes(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    script = importlib.import_module("make_screenshots")
    files = {PICTURES / file for name in script.VIEWS for file, _, _ in script.files(name)}
    assert len(files) == 4 * len(script.VIEWS) - 2  # the page of a watch is shown wide alone
    assert files == set(PICTURES.glob("*.webp"))
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    readme = {file.name for file in pictures(ROOT / "README.md")}
    assert {f"report-1400-{scheme}.webp" for scheme in script.SCHEMES} <= readme
    for name in ("make_screenshots", "make_pictures"):
        sys.modules.pop(name, None)


def test_every_extra_that_is_named_exists():
    known = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])
    named: dict[str, list[str]] = {}
    for file in (*PAGES, *(ROOT / "src").rglob("*.py")):
        for found in EXTRAS.findall(file.read_text(encoding="utf-8")):
            for name in re.findall(r"[\w-]+", ",".join(found)):
                named.setdefault(name, []).append(file.name)
    assert {"s3", "train", "hub", "ray"} <= set(named)
    assert {name: files for name, files in named.items() if name not in known} == {}


def test_pre_commit_runs_the_checks_of_contributing():
    entries = re.findall(r"entry: (.+)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    others = ("pip ", "mkdocs ", "python .ci/notebooks.py")
    assert entries == [line for block in blocks for line in block.splitlines() if not line.startswith(others)]
