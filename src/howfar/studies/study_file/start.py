"""Write the commented start of a study file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from howfar.errors import InputError
from howfar.io.atomic import replace_text
from howfar.io.location import absolute

TEMPLATE: Final = Path(__file__).with_name("start.toml")


def write_start(file: str | Path) -> Path:
    """Write a commented study file to start from, and return its path; one that is there already is not replaced.

    Raises `InputError` where the file is there, or its folder is not.

    Examples
    --------
    >>> import tempfile
    >>> write_start(Path(tempfile.mkdtemp()) / "mine.toml").name
    'mine.toml'
    """
    path = absolute(file)
    if path.exists():
        raise InputError.of("study file", "must not be there yet", str(file), "name another, or delete it")
    if not path.parent.is_dir():
        raise InputError.of("study file", "must be in a folder that is there", str(file))
    replace_text(path, TEMPLATE.read_text(encoding="utf-8"))
    return path
