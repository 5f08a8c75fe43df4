from __future__ import annotations

from pathlib import Path
from typing import Literal

from howfar.store import Store
from howfar.testing import StoreTests


class TestStore(StoreTests):
    def make_store(self, root: Path, dtype: Literal["float32", "float16"] = "float32") -> Store:
        return Store(root, dtype)
