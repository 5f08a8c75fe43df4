"""P's pairs with several secondaries, measured here or in other processes, and kept so that a run that was killed goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from importlib import metadata
from pathlib import Path
from shutil import rmtree
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from howfar import registry
from howfar.pipeline.measure import PairMeasures
from howfar.pipeline.pairs import MeasuredPair, MeasurePairs
from howfar.protocols import Runner
from howfar.results import Features
from howfar.results.files import digest
from howfar.results.files import replace as replace_file
from howfar.store.identity_key import canonical

FOLDER: Final = ".pairs"
"""Within a run folder, until its result is there."""
_FORMAT: Final = 1
_OTHER: Final = "other"
"""What a file holds beside arrays."""


def measured_pairs(work: MeasurePairs, executor: Runner | None = None, out: Path | None = None) -> Iterator[MeasuredPair]:
    """Measure P against each secondary, in their order.

    Parameters
    ----------
    work
        The pairs.
    executor
        Where its tasks have processes of their own, pairs are measured there, one core a task; else here, where each takes all
        cores.
    out
        The run folder: pairs that are kept there already are not measured again, each other one is kept. None keeps nothing.
    """
    kept = KeptPairs(work, out)
    known = {place for place in range(len(work.secondaries)) if kept.has(place)}
    missing = [place for place in range(len(work.secondaries)) if place not in known]
    if executor is not None and executor.processes and work.settings.projection != "joint":
        fresh = executor.on_processors().run(_bare(work), missing)
    else:
        fresh = work.each(missing) if missing else iter(())
    for place in range(len(work.secondaries)):
        pair = kept.read(place) if place in known else None
        if pair is None:
            pair = work(place) if place in known else next(fresh)
            kept.keep(place, pair)
        yield pair


class KeptPairs:
    """The pairs of a run folder, by what they depend on: both sets' images, all settings, and what measures them.

    Parameters
    ----------
    work
        The pairs.
    out
        The run folder; None keeps nothing.
    """

    def __init__(self, work: MeasurePairs, out: Path | None) -> None:
        self._folder = None if out is None else out / FOLDER
        if self._folder is None:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
        primary, settings = work.primary, work.settings
        # Images that a limit has left out are in no digest.
        chosen = {name: value for name, value in asdict(settings).items() if name != "limit"}
        sets = [[one.name, digest(one.contents)] for one in work.secondaries]
        # Another version's numbers do not stand beside this one's, nor a row without a rival that there is now.
        rivals = [registry.names(kind) for kind in ("image_distances", "dataset_distances")] if settings.rivals else []
        made = [_FORMAT, metadata.version("howfar"), rivals, canonical(primary.identity), list(primary.layers)]
        common = [made, chosen, digest(primary.contents)]
        # In one space a pair depends on all of them.
        shared = sets if settings.projection == "joint" else []
        self._paths = [self._folder / f"{digest([one, shared, *common])}.npz" for one in sets]

    def has(self, place: int) -> bool:
        """Whether the pair with a secondary is there."""
        return self._folder is not None and self._paths[place].is_file()

    def read(self, place: int) -> MeasuredPair | None:
        """It; None where its file is gone, or damaged."""
        damaged = OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, MemoryError, BadZipFile
        with suppress(*damaged), self._paths[place].open("rb") as file, np.load(file, allow_pickle=False) as found:
            return _unpacked(dict(found))
        return None

    def keep(self, place: int, pair: MeasuredPair) -> None:
        """Keep it; a disk that refuses costs time after a kill and no more."""
        if self._folder is not None:
            with suppress(OSError):
                replace_file(self._paths[place], lambda part: _save(part, _packed(pair)))


def forget_pairs(out: Path) -> None:
    """Remove the kept pairs of a run folder, whose result is there.

    Examples
    --------
    >>> forget_pairs(Path("no such folder"))
    """
    rmtree(out / FOLDER, ignore_errors=True)


def _bare(work: MeasurePairs) -> MeasurePairs:
    """Without the names and paths of images, which are nobody's business elsewhere."""

    def bare(one: Features) -> Features:
        return replace(one, images=(), paths=(), contents=(), skipped=())

    return MeasurePairs(bare(work.primary), [bare(one) for one in work.secondaries], work.settings)


def _packed(pair: MeasuredPair) -> dict[str, NDArray[Any]]:
    """All fields as arrays, those of `pair.found` among them; what is none as JSON in one."""
    values = {**vars(pair), **vars(pair.found)}
    del values["found"]
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    other = {name: value for name, value in values.items() if name not in arrays}
    return {**arrays, _OTHER: np.array(json.dumps(other))}


def _unpacked(arrays: Mapping[str, NDArray[Any]]) -> MeasuredPair:
    values: dict[str, Any] = {**json.loads(str(arrays[_OTHER])), **arrays}
    # JSON has no tuples.
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    found = PairMeasures(**{one.name: values[one.name] for one in fields(PairMeasures)})
    return MeasuredPair(found, **{one.name: values[one.name] for one in fields(MeasuredPair) if one.name != "found"})


def _save(part: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with part.open("wb") as file:
        np.savez(file, **dict[str, Any](arrays))
