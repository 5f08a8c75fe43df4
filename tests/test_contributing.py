"""Pre-commit runs the checks that CONTRIBUTING.md lists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_pre_commit_runs_the_checks_of_contributing() -> None:
    entries = re.findall(r"entry: (.+)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    checks = [
        line
        for block in blocks
        for line in block.splitlines()
        if not line.startswith(("pip ", "mkdocs ", "python .ci/notebooks.py"))
    ]
    assert entries == checks
