"""Write the commented start of a rules file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from howfar.errors import InputError
from howfar.io.atomic import replace_text
from howfar.io.location import absolute

TEMPLATE: Final = Path(__file__).with_name("start.yaml")


def write_start(file: str | Path) -> Path:
    """Write commented rules to start from, as YAML, and return the path; a file that is there already is not replaced.

    Raises `InputError` where the file is there, its folder is not, or it is to be TOML.

    Examples
    --------
    >>> import tempfile
    >>> write_start(Path(tempfile.mkdtemp()) / "rules.yaml").name
    'rules.yaml'
    """
    path = absolute(file)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise InputError.of("rules", "must end in .yaml or .yml for a start", str(file))
    if path.exists():
        raise InputError.of("rules", "must not be there yet", str(file), "name another, or delete it")
    if not path.parent.is_dir():
        raise InputError.of("rules", "must be in a folder that is there", str(file))
    replace_text(path, TEMPLATE.read_text(encoding="utf-8"))
    return path
