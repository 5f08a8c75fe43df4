"""Write and check the manifest of a feature's folder: which feature it is, how long, how stored, in which format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from howfar.errors import StoreError
from howfar.store.folder import Folder
from howfar.store.identity_key import canonical

FORMAT = 1
NAME = "manifest.json"
SHARDS = "shards"


@dataclass(frozen=True)
class Manifest:
    """Describe a feature's folder: the feature's identity, storage type and length q."""

    identity: Mapping[str, Any]
    dtype: str
    length: int
    format: int = FORMAT


def ensure(folder: Folder, wanted: Manifest) -> None:
    """Write the manifest of a new folder, or check that the one which is there says the same.

    Raises `StoreError` where it is of another format or feature, is damaged, or is gone while shards are there, or the disk
    refuses.
    """
    try:
        if not _present(folder):
            folder.make()
            text = json.dumps(json.loads(canonical(asdict(wanted))), indent=1, sort_keys=True)
            with folder.appearing(NAME) as file:
                file.write(text.encode("ascii") + b"\n")
        data = folder.read(NAME)
        # After the manifest, so that a folder with shards and no manifest is a damaged one and never a young one.
        folder.child(SHARDS).make()
    except OSError as error:
        remedy = "give another folder or mend its rights" if folder.near else "see that it can be reached, and by which keys"
        raise StoreError(f"the store cannot use {folder.path}: {error}; {remedy}") from error
    _compare(folder.path, _parse(folder.path, data), wanted)


def _present(folder: Folder) -> bool:
    if _has(folder, NAME):
        return True
    # Looked at again, since another writer may have made both between the two looks.
    if _begun(folder.child(SHARDS)) and not _has(folder, NAME):
        raise StoreError(f"{folder.path} has shards but no {NAME}: {_remedy(folder.path)}")
    return False


def _has(folder: Folder, name: str) -> bool:
    try:
        return name in folder.names()
    except FileNotFoundError:
        return False


def _begun(shards: Folder) -> bool:
    """Return whether there is such a folder; where folders are nothing but names, whether anything lies in it."""
    try:
        return bool(shards.names()) or shards.near
    except FileNotFoundError:
        return False


def _parse(folder: Path | str, data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data, parse_constant=_refuse)
    except ValueError as error:
        raise StoreError(f"{folder}/{NAME} is damaged ({error}): {_remedy(folder)}") from error
    if not isinstance(document, dict) or not isinstance(document.get("identity"), dict):
        raise StoreError(f"{folder}/{NAME} is damaged (it holds no identity): {_remedy(folder)}")
    return document


def _compare(folder: Path | str, document: dict[str, Any], wanted: Manifest) -> None:
    if document.get("format") != FORMAT:
        raise StoreError(
            f"{folder} has store format {document.get('format')!r}, this howfar reads {FORMAT}: "
            "use the howfar that wrote it, or give another store folder"
        )
    if canonical(document["identity"]) != canonical(wanted.identity) or document.get("dtype") != wanted.dtype:
        raise StoreError(f"{folder} holds another feature than its name says (was it copied or edited?): {_remedy(folder)}")
    if document.get("length") != wanted.length:
        raise StoreError(
            f"{folder} holds features of length {document.get('length')!r}, the backbone now gives {wanted.length}: "
            f"its identity must tell the two apart; mend that, or {_remedy(folder)}"
        )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")


def _remedy(folder: Path | str) -> str:
    return f"delete {folder} and its features will be computed anew"
