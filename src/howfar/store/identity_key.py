"""Name a feature's folder by a hash of everything that the feature depends on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from howfar.errors import InputError

DIGITS = 24
LONGEST_NAME = 40


def feature_key(identity: Mapping[str, Any], dtype: str) -> str:
    """Name the folder of one feature in one storage type: a readable prefix, then 24 hex digits.

    The digits begin the SHA-256 of the canonical JSON of identity and type; 96 bits, so that two features do not meet by chance
    (the manifest, which holds the whole identity, is compared all the same). The identity's ``name``, where it is text, becomes
    the prefix. Raises `InputError` where the identity is not made of JSON values.

    Examples
    --------
    >>> feature_key({"name": "timm:resnet18", "layer": "pool"}, "float32")
    'timm-resnet18-78d7d043ad063c1b7dc1ceb9'
    >>> feature_key({"layer": "pool", "name": "timm:resnet18"}, "float32") == _
    True
    """
    text = canonical({"dtype": dtype, "identity": identity})
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()[:DIGITS]
    name = identity.get("name")
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:LONGEST_NAME].strip("-") if isinstance(name, str) else ""
    return f"{slug}-{digest}" if slug else digest


def canonical(identity: Mapping[str, Any]) -> str:
    """Write an identity as the one JSON text that it has: keys sorted, no blanks, ASCII only, no NaN or infinity.

    Raises `InputError` for a key that is not text, or a value that is not a JSON value (an array, a path, NaN).

    Examples
    --------
    >>> canonical({"b": (1, 2.5), "a": None})
    '{"a":null,"b":[1,2.5]}'
    """
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
