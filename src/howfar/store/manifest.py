"""The manifest of a feature's folder: which feature it is, how long, how stored, in which format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from howfar.errors import StoreError
from howfar.store.atomic import appearing
from howfar.store.key import canonical

FORMAT = 1
NAME = "manifest.json"
SHARDS = "shards"


@dataclass(frozen=True)
class Manifest:
    """What a feature's folder holds: its identity, storage type and length q."""

    identity: Mapping[str, Any]
    dtype: str
    length: int
    format: int = FORMAT


def ensure(folder: Path, wanted: Manifest) -> None:
    """Write the manifest of a new folder, or check that the one which is there says the same.

    Raises
    ------
    StoreError
        The manifest is of another format or feature, is damaged, or is gone while shards are there; or the disk refuses.
    """
    try:
        if not _present(folder):
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(json.loads(canonical(asdict(wanted))), indent=1, sort_keys=True)
            with appearing(folder / NAME) as file:
                file.write(text.encode("ascii") + b"\n")
        data = (folder / NAME).read_bytes()
        # After the manifest, so that a folder with shards and no manifest is a damaged one and never a young one.
        (folder / SHARDS).mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(f"the store cannot use {folder}: {error}; give another folder or mend its rights") from error
    _compare(folder, _parse(folder, data), wanted)


def _present(folder: Path) -> bool:
    if (folder / NAME).is_file():
        return True
    # Looked at again, since another writer may have made both between the two looks.
    if (folder / SHARDS).is_dir() and not (folder / NAME).is_file():
        raise StoreError(f"{folder} has shards but no {NAME}: {_remedy(folder)}")
    return False


def _parse(folder: Path, data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data, parse_constant=_refuse)
    except ValueError as error:
        raise StoreError(f"{folder / NAME} is damaged ({error}): {_remedy(folder)}") from error
    if not isinstance(found, dict) or not isinstance(found.get("identity"), dict):
        raise StoreError(f"{folder / NAME} is damaged (it holds no identity): {_remedy(folder)}")
    return found


def _compare(folder: Path, found: dict[str, Any], wanted: Manifest) -> None:
    if found.get("format") != FORMAT:
        raise StoreError(
            f"{folder} has store format {found.get('format')!r}, this howfar reads {FORMAT}: "
            "use the howfar that wrote it, or give another store folder"
        )
    if canonical(found["identity"]) != canonical(wanted.identity) or found.get("dtype") != wanted.dtype:
        raise StoreError(f"{folder} holds another feature than its name says (was it copied or edited?): {_remedy(folder)}")
    if found.get("length") != wanted.length:
        raise StoreError(
            f"{folder} holds features of length {found.get('length')!r}, the backbone now gives {wanted.length}: "
            f"its identity must tell the two apart; mend that, or {_remedy(folder)}"
        )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")


def _remedy(folder: Path) -> str:
    return f"delete {folder} and its features will be computed anew"
