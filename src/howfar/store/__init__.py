"""Store image features on disk or in a bucket, so that each image content is embedded once by a backbone (`Store`).

``<root>/<feature>/manifest.json`` says what the feature is. ``shards/<id>.npy`` holds rows and ``shards/<id>.parquet`` says
which (content, path, row) and the checksum of each; the index is the union of the latter, so there is no file that two writers
would share. ``shards/index.sqlite`` holds the index of a large store once more, so that no shard has to be read to find an
image; it is made from the shards, and may be lost.
`check`, `repair`, `size` and `prune` look after a store as a whole.
"""

from howfar.store.feature_store import FeatureStore, Store, default_root, feature_key, local_root
from howfar.store.integrity import StoreCheck, StoreRepair, check, repair
from howfar.store.inventory_and_pruning import StorePrune, StoreSize, prune, size

__all__ = [
    "FeatureStore", "Store", "StoreCheck", "StorePrune", "StoreRepair", "StoreSize", "check", "default_root", "feature_key",
    "local_root", "prune", "repair", "size",
]  # fmt: skip
