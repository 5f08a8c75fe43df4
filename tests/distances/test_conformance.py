"""The shipped suite, for every distance that the registry knows."""

from __future__ import annotations

from typing import Any

from howfar import registry
from howfar.testing.distance_suite import DistanceTests

BETWEEN_SETS: dict[str, Any] = {"per_image": False, "symmetric": True}
ZERO = {**BETWEEN_SETS, "zero_on_itself": True}
KINDS: dict[str, dict[str, dict[str, Any]]] = {
    "image_distances": {
        "i_dist": {},
        "knn": {"least_images": (1, 5)},
        "mahalanobis": {"least_images": (1, 2), "needs_spread": True},
    },
    "dataset_distances": {
        "o_dist": BETWEEN_SETS,
        "kid": {**BETWEEN_SETS, "signed": True, "translation_invariant": False, "least_images": (2, 2)},
        **dict.fromkeys(("energy", "frechet", "mmd", "sliced_wasserstein", "mind"), ZERO),
    },
}
for _kind, _distances in KINDS.items():
    for _name, _facts in _distances.items():
        _suite, _distance = f"Test{_name.title().replace('_', '')}", staticmethod(registry.load(_kind, _name))
        globals()[_suite] = type(_suite, (DistanceTests,), {"distance": _distance, "__module__": __name__, **_facts})


def test_no_registered_distance_is_left_out() -> None:
    assert {kind: set(registry.OURS[kind]) for kind in KINDS} == {kind: set(distances) for kind, distances in KINDS.items()}
