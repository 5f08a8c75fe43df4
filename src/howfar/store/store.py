"""Open the store of features: one folder for each backbone, preprocessing and storage type."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from howfar import protocols
from howfar.errors import InputError
from howfar.store.feature_store import FeatureStore
from howfar.store.folder import folder_at
from howfar.store.identity_key import feature_key
from howfar.store.shards import STORED

VARIABLE = "HOWFAR_STORE"


class Store:
    """Keep embeddings in a folder. Nothing is made on disk before `open`; pickled, it opens the same folder again.

    Parameters
    ----------
    root
        Its folder, or a URL that fsspec knows (``s3://bucket/folder``, ``gs://``, ``az://``); by default that of the
        environment variable ``HOWFAR_STORE``, else the user's cache folder.
    dtype
        Stored type. ``float16`` halves the space; I^dist moves by about 3e-5 relative, and features beyond 65,504 are refused.

    Raises
    ------
    InputError
        Another `dtype`.

    Examples
    --------
    >>> import tempfile
    >>> store = Store(tempfile.mkdtemp())
    >>> store.open({"name": "pixels", "side": 96}, 27648)
    FeatureStore('...pixels-...', 0 contents, q = 27,648, float32)
    """

    def __init__(self, root: str | Path | None = None, dtype: Literal["float32", "float16"] = "float32") -> None:
        if dtype not in STORED:
            raise InputError.of("dtype", f"must be one of {', '.join(STORED)}", dtype)
        self.root = default_root() if root is None else folder_at(root).path
        self.dtype = dtype

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r}, dtype={self.dtype!r})"

    def open(self, identity: Mapping[str, Any], length: int) -> FeatureStore:
        """Open the features of one identity, made where there are none yet.

        Parameters
        ----------
        identity
            What the feature depends on, as JSON values.
        length
            q, the numbers in a feature.

        Raises
        ------
        InputError
            The identity is not made of JSON values, or the length is below 1.
        StoreError
            The folder is of another format, holds another feature or length, is damaged, or cannot be used.
        """
        if length < 1:
            raise InputError.of("length", "must be at least 1", length)
        return FeatureStore(
            folder_at(self.root).child(feature_key(identity, self.dtype)).path, identity, self.dtype, int(length)
        )


def default_root() -> Path | str:
    """Return the folder of a store that is given none: ``HOWFAR_STORE``, else howfar's folder in the user's cache.

    Examples
    --------
    >>> default_root() == Store().root
    True
    """
    named = os.environ.get(VARIABLE)
    if named:
        return folder_at(named).path
    return _cache()


def local_root(store: protocols.Store | str | Path | None = None) -> Path:
    """Return the folder for files of this machine alone: that of a store, else `default_root`; for URLs the user's cache.

    Examples
    --------
    >>> local_root().is_absolute()
    True
    """
    given = Store(store) if isinstance(store, (str, Path)) else store
    root = given.root if isinstance(given, Store) else default_root()
    return root if isinstance(root, Path) else _cache()


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("howfar", appauthor=False)
