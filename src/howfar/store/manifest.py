"""Write and check the manifest of a feature's folder: which feature it is, how long, how stored, in which format."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import xxhash

from howfar.errors import StoreError, one_line
from howfar.store.folder import Folder
from howfar.store.identity_key import canonical
from howfar.store.index_file import CHECKSUM
from howfar.store.refusals import refusal

FORMAT = 1
NAME = "manifest.json"
SHARDS = "shards"
_log = logging.getLogger("howfar.store")


class ManifestDamagedError(Exception):
    """Report a manifest that cannot be read, or does not match its checksum."""


@dataclass(frozen=True)
class Manifest:
    """Describe a feature's folder: the feature's identity, storage type and length q."""

    identity: Mapping[str, Any]
    dtype: str
    length: int
    format: int = FORMAT


def ensure(folder: Folder, wanted: Manifest) -> None:
    """Write the manifest of a new folder, or check that the one which is there says the same.

    A manifest that is damaged or lost is written anew, which is said in the log: the folder's name is made of the feature's
    identity and type, and so is the seal of every index in it (`howfar.store.index_file`). Raises `StoreError` where a whole
    manifest is of another format or feature, or the disk refuses.
    """
    try:
        if not _present(folder):
            folder.make()
            write(folder, wanted)
        data = folder.read(NAME)
        # After the manifest, so that a folder with shards and no manifest is a damaged one and never a young one.
        folder.child(SHARDS).make()
    except OSError as error:
        raise refusal(folder, "use", error) from error
    try:
        _compare(folder.path, parse(data), wanted)
    except ManifestDamagedError as error:
        _log.warning("%s/%s is damaged (%s): written anew", folder.path, NAME, error)
        # Where the disk refuses, as with a store that is read-only, it will be said at the next run again.
        with suppress(OSError):
            write(folder, wanted)
    folder.touch(NAME)


def write(folder: Folder, manifest: Manifest) -> None:
    """Write a manifest with its checksum, over the one that is there. Raises `OSError` where the disk refuses."""
    document = json.loads(canonical(asdict(manifest)))
    text = json.dumps({**document, CHECKSUM: _checksum(document)}, indent=1, sort_keys=True)
    with folder.appearing(NAME) as file:
        file.write(text.encode("ascii") + b"\n")


def _checksum(document: Mapping[str, Any]) -> str:
    """Return XXH3, 64 bits, of the canonical text of all entries but the checksum's own."""
    rest = {name: value for name, value in document.items() if name != CHECKSUM}
    return xxhash.xxh3_64_hexdigest(canonical(rest).encode("ascii"))


def _present(folder: Folder) -> bool:
    if _has(folder, NAME):
        return True
    # Looked at again, since another writer may have made both between the two looks.
    if _begun(folder.child(SHARDS)) and not _has(folder, NAME):
        _log.warning("%s has shards but no %s: written anew", folder.path, NAME)
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


def parse(data: bytes) -> dict[str, Any]:
    """Read a manifest's text; one of an earlier version has no checksum. Raises `ManifestDamagedError` where it is damaged."""
    try:
        document = json.loads(data, parse_constant=_refuse)
        if not isinstance(document, dict) or not isinstance(document.get("identity"), dict):
            raise ValueError("it holds no identity")
        if document.get(CHECKSUM, _checksum(document)) != _checksum(document):
            raise ValueError("it does not match its checksum")
    # Nested brackets end in RecursionError, and numbers of thousands of digits in ValueError.
    except (ValueError, RecursionError, MemoryError) as error:
        raise ManifestDamagedError(one_line(error)) from error
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
