"""Measure the memory that each listed image takes in the process that drives a run, and the peak of ten million images.

The driver lists images, hands batches to workers and holds what became of each. Workers and the store's index are left out: the
runner of this benchmark answers as workers elsewhere would, and its store says that it holds every feature. What the index
takes is measured apart, by the real store.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from record import leave, parser

Q = 6
FOLDER, TABLE, EMBEDDED, STORE = "a folder listed", "a table listed", "a made listing embedded", "a store of them opened"
OBJECTS = "the made listing and its outcomes as Python objects"
STAGES = (FOLDER, TABLE, EMBEDDED, OBJECTS, STORE)
NOTHING = "nothing"


def images(folder: Path, count: int) -> None:
    """Write as many empty files, which are listed as any other."""
    folder.mkdir(parents=True)
    for number in range(count):
        os.close(os.open(folder / f"{number:09d}.jpg", os.O_CREAT | os.O_WRONLY))


def hashes(count: int) -> list[str]:
    """Make as many content hashes."""
    return [blake2b(str(number).encode(), digest_size=16).hexdigest() for number in range(count)]


def outcome(item: Any) -> Any:
    """Make the outcome of an image whose features are stored."""
    from howfar.pipeline.embedding import Outcome

    return Outcome(item, blake2b(item.name.encode(), digest_size=16).hexdigest(), reused=True)


class Workers:
    """Answer for every image that its features are stored, as workers elsewhere would."""

    processes = True

    def run(self, function: Any, batches: Any) -> Iterator[Any]:
        """Yield the outcomes of each batch."""
        for batch in batches:
            yield list(map(outcome, batch))

    def reduce(self, function: Any, combine: Any, tasks: Any) -> Any:
        """Do nothing, as no sums are asked for."""

    def on_processors(self) -> Workers:
        """Return the same."""
        return self


class Stored:
    """Say of every feature that it is stored, and hold none."""

    folder = "elsewhere"

    def open(self, identity: Any, length: int) -> Stored:
        """Open the features of any identity."""
        return self

    def refresh(self) -> None:
        """Read nothing."""

    def pack(self) -> None:
        """Merge nothing."""

    def faults(self) -> tuple[str, ...]:
        """Find no damage."""
        return ()

    def verify(self, contents: Any) -> tuple[str, ...]:
        """Find no damage."""
        return ()

    def select(self, contents: Any) -> Any:
        """Return rows that nobody reads."""
        import numpy as np

        from howfar.arrays import ArrayRows

        return ArrayRows(np.broadcast_to(np.zeros((1, Q), np.float32), (len(contents), Q)))


def made(count: int) -> Iterator[Any]:
    """Make a listing of images in a bucket, a thousand in a folder."""
    from howfar.data import Item

    for number in range(count):
        name = f"{number // 1000:06d}/{number:09d}.jpg"
        yield Item(name, f"s3://bucket/made/{name}")


def work(stage: str, count: int, place: Path) -> Any:
    """Do what a stage measures, and return what is held at its end."""
    import howfar.pipeline.embedding
    from howfar.backbones import as_backbone
    from howfar.data import Dataset, parse
    from howfar.store import Store

    model = as_backbone("colour_moments", {})
    if stage == FOLDER:
        return parse(str(place / "folder"))
    if stage == TABLE:
        return parse(str(place / "table.csv"))
    if stage == EMBEDDED:
        embed_all = howfar.pipeline.embedding.embed_all
        return embed_all([Dataset("made", made(count))], [model], Stored(), Workers(), 64, progress=False)
    if stage == OBJECTS:
        listed = list(made(count))
        return listed, [outcome(item) for item in listed], [str(item.path) for item in listed]
    if stage == STORE:
        features = Store(str(place / "store")).open({"name": "made"}, Q)
        features.refresh()
        return features, len(features)
    return None


def measure(stage: str, count: int, place: Path) -> dict[str, float]:
    """Run a stage in a process of its own: its peak in MiB, and seconds."""
    job = [sys.executable, __file__, "--stage", stage, "--count", str(count), "--place", str(place)]
    done = subprocess.run(job, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def prepare(place: Path, count: int) -> None:
    """Make the files, the table and the store that the stages read."""
    import numpy as np

    from howfar.store import Store

    images(place / "folder", count)
    lines = (f"folder/{number:09d}.jpg\n" for number in range(count))
    with (place / "table.csv").open("w", encoding="utf-8") as table:
        table.write("image\n")
        table.writelines(lines)
    store = Store(str(place / "store")).open({"name": "made"}, Q)
    known = hashes(count)
    for start in range(0, count, 50_000):
        part = known[start : start + 50_000]
        store.add(part, [""] * len(part), np.zeros((len(part), Q), np.float32))


def main() -> None:
    """Measure each stage for few and for many images, and the embedding of all of them."""
    options = parser(__doc__ or "")
    options.add_argument("--few", type=int, default=50_000)
    options.add_argument("--many", type=int, default=250_000)
    options.add_argument("--all", type=int, default=10_000_000, help="images of the made listing that is embedded at last")
    options.add_argument("--stage", choices=(NOTHING, *STAGES), help="measure one stage in this process")
    options.add_argument("--count", type=int)
    options.add_argument("--place", type=Path)
    given = options.parse_args()
    if given.stage is not None:
        from howfar.memory import peak_mib

        begun = time.perf_counter()
        kept = work(given.stage, given.count, given.place)
        print(json.dumps({"mib": peak_mib(), "seconds": time.perf_counter() - begun}))
        del kept
        return
    counts = (given.few, given.many)
    results: dict[str, Any] = {"images": list(counts), "bytes an image": {}}
    with tempfile.TemporaryDirectory() as scratch:
        for count in counts:
            prepare(Path(scratch) / str(count), count)
        for stage in STAGES:
            few, many = (measure(stage, count, Path(scratch) / str(count))["mib"] for count in counts)
            results["bytes an image"][stage] = (many - few) * 2**20 / (given.many - given.few)
        results["MiB before a listing"] = measure(NOTHING, 0, Path(scratch))["mib"]
    results["embedded at last"] = {"images": given.all, **measure(EMBEDDED, given.all, Path())}
    leave("listings", results, given.json)


if __name__ == "__main__":
    main()
