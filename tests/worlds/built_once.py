"""The suite of segmenters for networks that take a second to build."""

from copy import deepcopy
from functools import lru_cache
from typing import Any

from howfar.testing import SegmenterTests


@lru_cache(maxsize=2)
def built(suite: type["BuiltOnce"], seed: int) -> Any:
    return super(BuiltOnce, suite()).make(seed)


class BuiltOnce(SegmenterTests):
    """Give each test a copy of a network that is built once."""

    def make(self, seed: int = 0) -> Any:
        return deepcopy(built(type(self), seed))
