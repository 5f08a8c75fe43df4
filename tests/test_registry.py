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


def test_ours_are_loaded_without_a_look_at_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: asked.append(group) or [])
    assert callable(registry.load("image_distances", "knn"))
    assert asked == []
    with pytest.raises(UnknownNameError):
        registry.load("image_distances", "theirs")
    assert asked == ["howfar.image_distances"]
