"""Say which columns of a table hold the image, the label, the score and the corners of a box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from howfar.errors import InputError
from howfar.settings import nearest

Roles: TypeAlias = Sequence[str] | str | Mapping[str, str]
CORNERS: Final = ("x0", "y0", "x1", "y1")
SIDES: Final = ("width", "height")
ROLES: Final = ("image", "label", "score", *CORNERS, *SIDES)


def column_roles(given: Roles) -> dict[str, str]:
    """Return the column of each role that is given one, as a mapping, ``ROLE=COLUMN`` texts, or one text with commas between.

    Raises `InputError` for a role that there is none of or that is given twice, two of one column, or both ways to end a box.

    Examples
    --------
    >>> column_roles("image=filename,label=pred")
    {'image': 'filename', 'label': 'pred'}
    """
    if isinstance(given, Mapping):
        pairs = list(given.items())
    else:
        texts = [text for text in (given.split(",") if isinstance(given, str) else given) if text.strip()]
        pairs = [(role.strip(), column.strip()) for role, _, column in (text.partition("=") for text in texts)]
    roles: dict[str, str] = {}
    for role, column in pairs:
        if role not in ROLES:
            raise InputError.of("columns", "must name a role", role, nearest(role, ROLES, "roles"))
        if role in roles or not column:
            raise InputError.of(
                "columns", "must give each role one column", f"{role}={column}", "write ROLE=COLUMN,ROLE=COLUMN"
            )
        if column in roles.values():
            raise InputError.of("columns", "must give each role a column of its own", f"{role}={column}")
        roles[role] = column
    if set(SIDES) & set(roles) and set(CORNERS[2:]) & set(roles):
        raise InputError.of("columns", "must name x1 and y1, or width and height", ", ".join(roles), "leave out one pair")
    return roles


def check_known(roles: Mapping[str, str], known: Sequence[str], what: str) -> None:
    """Raise `InputError` where a role is given that what is read has no use for."""
    idle = next((role for role in roles if role not in known), None)
    if idle is not None:
        raise InputError.of("columns", f"must be of {', '.join(known)} for {what}", f"{idle}={roles[idle]}", "leave it out")


def check_columns(roles: Mapping[str, str], present: Sequence[str], file: Path) -> None:
    """Raise `InputError` where a table lacks a column that is given a role."""
    for role, column in roles.items():
        if column not in present:
            listed = ", ".join(present)
            raise InputError.of("columns", f"must be columns of {file}", f"{role}={column}", f"its columns are {listed}")
