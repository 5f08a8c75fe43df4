"""Write the saved profile of a primary dataset to one file, and read it back with checks that the file is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from howfar.errors import MissingPathError, StoreError, one_line
from howfar.io import archive
from howfar.pipeline.reference import Reference
from howfar.projection import Basis
from howfar.relation.site_judge import SiteJudge
from howfar.results import Provenance, Skipped
from howfar.results.json_values import plain

R = TypeVar("R", bound=Reference)
KIND = "howfar profile"
FORMAT = 1
PROFILE: Final = "profile.howfar"
"""Within the run folder of an assessment, its profile."""


def document(profile: Reference) -> dict[str, Any]:
    """Make what ``howfar profile --json`` prints: the manifest without the estimators' fits."""
    return {
        "kind": KIND,
        "format": FORMAT,
        "howfar": profile.provenance.howfar,
        "primary": {"name": profile.primary, "n": profile.n, "self_distance": profile.self_distance},
        "own_residual": profile.own_residual,
        "residual_components": profile.residual_components,
        "backbone": {
            "name": profile.backbone,
            "options": dict(profile.options),
            "identity": plain(profile.identity),
            "layers": list(profile.layers),
        },
        "settings": {"components": profile.components, "scale": profile.scale, "neighbours": profile.neighbours},
        "explained_variance": profile.explained_variance,
        "performance": None if profile.judge is None else profile.judge.to_dict(),
        "skipped": [asdict(file) for file in profile.skipped],
        "provenance": plain(asdict(profile.provenance)),
    }


def save(profile: Reference, path: Path) -> Path:
    """Write a profile as `howfar.Profile.save` does."""
    arrays = {
        "mean": profile.basis.mean,
        "basis": profile.basis.matrix,
        "explained_variance_ratio": profile.basis.explained_variance_ratio,
        "rows": profile.rows,
    }
    manifest = document(profile) | {"fits": None if profile.judge is None else profile.judge.fitted()}
    archive.write(path, manifest, arrays if profile.own is None else {**arrays, "own": profile.own})
    return path


def place_of(path: str | Path) -> Path:
    """Find a profile's file: that within the run folder of an assessment, where a folder is named."""
    place = Path(path)
    return place / PROFILE if place.is_dir() else place


def load(path: Path, kind: type[R]) -> R:
    """Read a profile as `howfar.Profile.load` does; `kind` is the class to make of it."""
    if path.is_dir() and not (path / PROFILE).is_file():
        raise MissingPathError(f"{path} is a folder without {PROFILE}: pass a profile, or a run folder of howfar assess")
    path = place_of(path)
    manifest, arrays = archive.read(path)
    if manifest.get("kind") != KIND:
        raise StoreError(f"{path} is no profile: pass a file that howfar profile -o wrote")
    if manifest.get("format") != FORMAT:
        raise StoreError(
            f"{path} has the profile format {manifest.get('format')!r} (by howfar {manifest.get('howfar')}), and this howfar "
            f"reads {FORMAT}: make the profile again"
        )
    try:
        return _profile(manifest, arrays, kind)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {one_line(error, 120)}"
        raise StoreError(f"{path}: profile is damaged ({reason}): make it again") from error


def _profile(manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], kind: type[R]) -> R:
    n, layers = int(manifest["primary"]["n"]), tuple(int(length) for length in manifest["backbone"]["layers"])
    z = arrays["rows"].shape[1]
    shapes = {"mean": (sum(layers),), "basis": (sum(layers), z), "explained_variance_ratio": (z,), "rows": (n, z)}
    for name, shape in (shapes | ({"own": (n,)} if n > 1 else {})).items():
        _check(name, arrays[name], shape)
    performance = manifest["performance"]
    return kind(
        primary=str(manifest["primary"]["name"]),
        n=n,
        backbone=str(manifest["backbone"]["name"]),
        options=dict(manifest["backbone"]["options"]),
        identity=dict(manifest["backbone"]["identity"]),
        layers=layers,
        **manifest["settings"],
        basis=Basis(arrays["mean"], arrays["basis"], arrays["explained_variance_ratio"]),
        rows=arrays["rows"],
        own=arrays["own"] if n > 1 else None,
        provenance=Provenance(**manifest["provenance"]),
        skipped=tuple(Skipped(**file) for file in manifest["skipped"]),
        judge=None if performance is None else SiteJudge.from_dict(performance, manifest["fits"]),
        own_residual=None if manifest.get("own_residual") is None else float(manifest["own_residual"]),
        residual_components=_count(manifest.get("residual_components"), z),
    )


def _check(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    types = (np.float32, np.float64) if name == "basis" else (np.float64,)
    if array.shape != shape or array.dtype not in types or not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers of the shape {shape}, got {array.dtype} {array.shape}")


def _count(value: Any, z: int) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or not 1 <= value <= z:
        raise ValueError(f"residual_components must be 1 to {z}, got {value!r}")
    return value
