"""A profile on disk: which members its archive has, and the checks that a file is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.errors import StoreError
from howfar.io import archive
from howfar.pipeline.performance_predictor import Expected
from howfar.pipeline.profile import Profile
from howfar.projection import Basis
from howfar.results import Provenance, Skipped
from howfar.results.files import plain

KIND = "howfar profile"
FORMAT = 1


def document(profile: Profile) -> dict[str, Any]:
    """What ``howfar profile --json`` prints: the manifest without the estimators' fits."""
    return {
        "kind": KIND,
        "format": FORMAT,
        "howfar": profile.provenance.howfar,
        "primary": {"name": profile.primary, "n": profile.n, "self_distance": profile.self_distance},
        "backbone": {
            "name": profile.backbone,
            "options": dict(profile.options),
            "identity": plain(profile.identity),
            "layers": list(profile.layers),
        },
        "settings": {"components": profile.components, "scale": profile.scale, "neighbours": profile.neighbours},
        "explained_variance": profile.explained_variance,
        "performance": None if profile.expected is None else profile.expected.to_dict(),
        "skipped": [asdict(one) for one in profile.skipped],
        "provenance": plain(asdict(profile.provenance)),
    }


def save(profile: Profile, path: Path) -> Path:
    """Write a profile; `howfar.pipeline.profile.Profile.save` is the public door."""
    arrays = {
        "mean": profile.basis.mean,
        "basis": profile.basis.matrix,
        "explained_variance_ratio": profile.basis.explained_variance_ratio,
        "rows": profile.rows,
    }
    manifest = document(profile) | {"fits": None if profile.expected is None else profile.expected.fitted()}
    archive.write(path, manifest, arrays if profile.own is None else {**arrays, "own": profile.own})
    return path


def load(path: Path) -> Profile:
    """Read a profile; `howfar.pipeline.profile.Profile.load` is the public door."""
    found, arrays = archive.read(path)
    if found.get("kind") != KIND:
        raise StoreError(f"{path} is no profile: pass a file that howfar profile -o wrote")
    if found.get("format") != FORMAT:
        raise StoreError(
            f"{path} has the profile format {found.get('format')!r} (by howfar {found.get('howfar')}), and this howfar reads "
            f"{FORMAT}: make the profile again"
        )
    try:
        profile = _profile(found, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise StoreError(f"{path}: profile is damaged ({type(error).__name__}: {reason}): make it again") from error
    return profile


def _profile(found: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Profile:
    n, layers = int(found["primary"]["n"]), tuple(int(length) for length in found["backbone"]["layers"])
    z = arrays["rows"].shape[1]
    shapes = {"mean": (sum(layers),), "basis": (sum(layers), z), "explained_variance_ratio": (z,), "rows": (n, z)}
    for name, shape in (shapes | ({"own": (n,)} if n > 1 else {})).items():
        _check(name, arrays[name], shape)
    performance = found["performance"]
    return Profile(
        primary=str(found["primary"]["name"]),
        n=n,
        backbone=str(found["backbone"]["name"]),
        options=dict(found["backbone"]["options"]),
        identity=dict(found["backbone"]["identity"]),
        layers=layers,
        **found["settings"],
        basis=Basis(arrays["mean"], arrays["basis"], arrays["explained_variance_ratio"]),
        rows=arrays["rows"],
        own=arrays["own"] if n > 1 else None,
        provenance=Provenance(**found["provenance"]),
        skipped=tuple(Skipped(**one) for one in found["skipped"]),
        expected=None if performance is None else Expected.from_dict(performance, found["fits"]),
    )


def _check(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    types = (np.float32, np.float64) if name == "basis" else (np.float64,)
    if array.shape != shape or array.dtype not in types or not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers of the shape {shape}, got {array.dtype} {array.shape}")
