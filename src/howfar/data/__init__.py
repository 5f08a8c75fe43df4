"""Datasets: folders, tables and ready-made embeddings; image and mask files; synthetic pavement."""

from howfar.data.argument import parse
from howfar.data.embeddings import load_embeddings
from howfar.data.folder import Dataset, Item
from howfar.data.images import Decoded, content_hash, decode, read_bytes
from howfar.data.masks import read_mask
from howfar.data.table import read_table

__all__ = [
    "Dataset",
    "Decoded",
    "Item",
    "content_hash",
    "decode",
    "load_embeddings",
    "parse",
    "read_bytes",
    "read_mask",
    "read_table",
]
