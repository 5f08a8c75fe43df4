from __future__ import annotations

import pytest

from howfar import registry
from howfar.errors import InputError, UnknownNameError


@pytest.mark.parametrize("kind", list(registry.OURS))
def test_every_registered_name_loads(kind: str) -> None:
    for name in registry.OURS[kind]:
        assert name in registry.names(kind)
        assert registry.load(kind, name) is not None


def test_a_miss_lists_the_known_names_and_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"known: .*knn.*did you mean 'mahalanobis'"):
        registry.load("image_distances", "mahalanobs")
    with pytest.raises(LookupError):
        registry.load("figures", "pie")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="kind"):
        registry.names("colours")
