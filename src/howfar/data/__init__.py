"""Read datasets of images, and ready-made embeddings, from folders, tables, archives, URLs and Python objects (`parse`)."""

from howfar.data.binary_masks import read_mask
from howfar.data.compact_item_table import Item
from howfar.data.dataset import Dataset
from howfar.data.dataset_argument import parse
from howfar.data.embedding_files import load_embeddings
from howfar.data.image_bytes import content_hash, exists, read_bytes
from howfar.data.image_decoding import Decoded, decode
from howfar.data.python_objects import DatasetArgument, DatasetsArgument, each_dataset
from howfar.data.sharded_and_hub_datasets import read_saved, read_shards

__all__ = [
    "Dataset", "DatasetArgument", "DatasetsArgument", "Decoded", "Item", "content_hash", "decode", "each_dataset", "exists",
    "load_embeddings", "parse", "read_bytes", "read_mask", "read_saved", "read_shards",
]  # fmt: skip
