"""Keep embeddings on disk: computed once for each image content and feature, read by rows or by columns.

``<root>/<feature>/manifest.json`` says what the feature is. ``shards/<id>.npy`` holds rows and ``shards/<id>.parquet`` says
which (content, path, row); the index is the union of the latter, so there is no file that two writers would share.
"""

from __future__ import annotations

from howfar.store.feature_store import FeatureStore
from howfar.store.identity_key import feature_key
from howfar.store.store import Store, default_root, local_root

__all__ = ["FeatureStore", "Store", "default_root", "feature_key", "local_root"]
