from pathlib import Path
from typing import Literal

import pytest

from howfar.store import Store
from worlds.store_suite import StoreTests


class TestStore(StoreTests):
    def make_store(self, root: Path, dtype: Literal["float32", "float16"] = "float32") -> Store:
        return Store(root, dtype)


class TestOnS3(StoreTests):
    """The same, over the network protocol: the server is a process's own, on loopback."""

    @pytest.fixture(autouse=True)
    def _place(self, bucket) -> None:
        self.bucket = bucket

    def make_store(self, root: Path, dtype: Literal["float32", "float16"] = "float32") -> Store:
        return Store(f"{self.bucket}/{root.name}", dtype)
