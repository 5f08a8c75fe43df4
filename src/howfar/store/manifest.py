"""Name the folder of a backbone's features by the hash of what made them (weights, settings); write and check its manifest."""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import xxhash

from howfar.errors import InputError, StoreError, one_line
from howfar.store.folders import Folder, refusal
from howfar.store.shards import CHECKSUM

DIGITS = 24
LONGEST_NAME = 40


def feature_key(identity: Mapping[str, Any], dtype: str) -> str:
    """Name the folder of one feature in one storage type: a readable prefix, then 24 hex digits.

    The digits begin the SHA-256 of the canonical JSON of identity and type (96 bits; the manifest is compared all the same).
    The prefix is the identity's ``name``, if that is text. Raises `InputError` where the identity is not made of JSON values.

    Examples
    --------
    >>> feature_key({"name": "timm:resnet18", "layer": "pool"}, "float32")
    'timm-resnet18-78d7d043ad063c1b7dc1ceb9'
    """
    text = canonical({"dtype": dtype, "identity": identity})
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()[:DIGITS]
    name = identity.get("name")
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:LONGEST_NAME].strip("-") if isinstance(name, str) else ""
    return f"{slug}-{digest}" if slug else digest


def canonical(identity: Mapping[str, Any]) -> str:
    """Write an identity as canonical JSON: keys sorted, no blanks, ASCII only; raise `InputError` for what is no JSON value."""
    try:
        plain = _plain(identity)
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"identity must be made of JSON values (text, finite numbers, lists, mappings): {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        for key in value:
            # json would write the key 1 as "1" and make two identities one.
            if not isinstance(key, str):
                raise TypeError(f"key {key!r} is not text")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


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
    """Write the manifest of a new folder, or check that the existing manifest agrees.

    A damaged or lost manifest is written anew, since the folder's name and the seals of its indexes tell the feature too.
    Raises `StoreError` where a whole manifest is of another format or feature, or the disk refuses.
    """
    try:
        if not _has_manifest(folder):
            rows = folder.child(SHARDS)
            # Where folders are only prefixes of names, one exists if it holds anything. The manifest is looked at again, since
            # another writer may have made both between the two looks.
            with suppress(FileNotFoundError):
                if (rows.names() or rows.near) and not _has_manifest(folder):
                    _log.warning("%s has shards but no %s: written anew", folder.path, NAME)
            folder.make()
            write(folder, wanted)
        data = folder.read(NAME)
        # After the manifest, so that a folder with shards and no manifest is a damaged one and never a young one.
        folder.child(SHARDS).make()
    except OSError as error:
        raise refusal(folder, "use", error) from error
    try:
        document = parse(data)
    except ManifestDamagedError as error:
        _log.warning("%s/%s is damaged (%s): written anew", folder.path, NAME, error)
        # Where the disk refuses, as with a store that is read-only, it will be said at the next run again.
        with suppress(OSError):
            write(folder, wanted)
    else:
        remedy = f"delete {folder.path} and its features will be computed anew"
        if document.get("format") != FORMAT:
            raise StoreError(
                f"{folder.path} has store format {document.get('format')!r}, this howfar reads {FORMAT}: "
                "use the howfar that wrote it, or give another store folder"
            )
        if canonical(document["identity"]) != canonical(wanted.identity) or document.get("dtype") != wanted.dtype:
            raise StoreError(f"{folder.path} holds another feature than its name says (was it copied or edited?): {remedy}")
        if document.get("length") != wanted.length:
            raise StoreError(
                f"{folder.path} holds features of length {document.get('length')!r}, the backbone now gives {wanted.length}: "
                f"its identity must tell the two apart; mend that, or {remedy}"
            )
    folder.touch(NAME)


def write(folder: Folder, manifest: Manifest) -> None:
    """Write a manifest with its checksum, replacing an earlier one. Raises `OSError` if the disk refuses."""
    document = json.loads(canonical(asdict(manifest)))
    text = json.dumps({**document, CHECKSUM: _checksum(document)}, indent=1, sort_keys=True)
    with folder.appearing(NAME) as file:
        file.write(text.encode("ascii") + b"\n")


def _checksum(document: Mapping[str, Any]) -> str:
    """Return the 64-bit XXH3 of the canonical text of all entries except the checksum."""
    rest = {name: value for name, value in document.items() if name != CHECKSUM}
    return xxhash.xxh3_64_hexdigest(canonical(rest).encode("ascii"))


def _has_manifest(folder: Folder) -> bool:
    try:
        return NAME in folder.names()
    except FileNotFoundError:
        return False


def parse(data: bytes) -> dict[str, Any]:
    """Parse a manifest (those of earlier versions have no checksum); raise `ManifestDamagedError` if it is damaged."""
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


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")
