"""Monitor a folder (`howfar watch`): score new images, check each batch by rules, and ask for one image's label a batch."""

import hashlib
import json
import math
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np

from howfar.data import Dataset, content_hash, read_bytes
from howfar.data.compact_item_table import Item
from howfar.data.dataset_argument import location_and_name, parse_images
from howfar.data.image_and_mask_folders import counted, path_text, walk
from howfar.data.image_bytes import place_of as image_place
from howfar.data.prediction_maps import match_maps
from howfar.data.untrusted_documents_and_tables import read_tabular
from howfar.errors import ImageError, InputError, StoreError
from howfar.explore.page_server_and_picks import NOT_FOUND, Response, Site
from howfar.explore.run_photographs_and_masks import SHOWN, encoded, photograph
from howfar.io.atomic_writes import replace_text
from howfar.io.embedded_checksum import SEAL, UNSEALED, is_intact, sealed
from howfar.io.file_location import Location, absolute, as_location, ready_folder, stamp
from howfar.io.file_locks import alone
from howfar.option_checks_and_signatures import picked
from howfar.options_by_function import BackboneOptions, ScoreOptions, ScoringOptions
from howfar.pipeline.profile_file import Profile, place_of
from howfar.pipeline.profile_scorer import Arrival, Group, Scorer, gathered, load_again
from howfar.report.page import fill
from howfar.results.check_result import Check
from howfar.results.display_and_shared_records import Skipped
from howfar.results.scores import Score
from howfar.studies.check import log_and_alarm as logs
from howfar.studies.check.check_site import certifying, decided, judged_since
from howfar.studies.check.rules import read_rules

FORMAT: Final = 1
JOURNAL, LOG, LABELS = "arrived.jsonl", "log.jsonl", "labels.csv"
COLUMNS: Final = ("batch", "image", "performance")
LISTED: Final = 20
"""Most files that could not be read which an answer names."""
SETTLE: Final = 2.0
"""Seconds for which a new file must stay as it is, so that none is taken half written."""


@dataclass
class Batch:
    """Hold the images of one batch in the order of arrival, whether it is closed, and the place of the drawn one."""

    day: str
    scores: list[Score] = field(default_factory=list)
    unread: dict[str, Skipped] = field(default_factory=dict)
    closed: bool = False
    drawn: int | None = None


class WatchState(NamedTuple):
    """Hold the state of a watch: the last batch's check (None before any), new and waiting images, and images to label."""

    check: Check | None
    new: int
    waiting: int
    to_label: tuple[tuple[str, str], ...]

    def lines(self) -> list[str]:
        """Return the verdict, the reasons with the alarm, and the request for a label."""
        waits = f", {counted(self.waiting, 'image waits', 'images wait')} for the whole file or its map" if self.waiting else ""
        if self.check is None:
            return [f"no image has come yet{waits}"]
        lines = [f"{self.check.caption()} ({self.new} new{waits})", *self.check.remarks()]
        lines += [f"not read: {each.path}: {each.reason}" for each in self.check.skipped[:LISTED]]
        if self.to_label:
            (batch, image), earlier = self.to_label[-1], len(self.to_label) - 1
            others = f"; {counted(earlier, 'earlier image waits', 'earlier images wait')} there" if earlier else ""
            lines.append(f"label {image}: write its performance into {LABELS}, batch {batch}{others}")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**self._asdict(), "check": self.check and self.check.to_dict(), "to_label": dict(self.to_label)}


class Watch:
    """Watch one source of images by a profile and rules, and keep all that is known in one folder.

    `images` is a dataset argument, or None where `look` is given paths. Each image adds one line to the folder's journal, from
    which all else follows, so that a kill at any moment loses no image and counts none twice.
    """

    def __init__(
        self, images: str | None, profile: str | Path, rules: Any, folder: str | Path, options: ScoreOptions | None = None
    ) -> None:
        self._images, self._file, self._rules = images, profile, read_rules(rules)
        self._options: Mapping[str, Any] = dict(options or {})
        self._begin, self._profile = judged_since(self._rules), Profile.load(profile)
        place, name = (absolute(folder), None) if images is None else location_and_name(images)
        self._place, self.name = place, name or str(place.parent.name if place.name == "images" else place.name)
        if isinstance(place, Path) and images is not None and not place.exists():
            raise InputError.of("FOLDER", "must be there", images, "make it, also if no image has come yet")
        maps = self._options.get("predictions")
        if maps is not None and not Path(maps).is_dir():
            raise InputError.of("predictions", "must be a folder of maps, one for each image as it comes", str(maps))
        self._folder = Path(ready_folder("out", folder) or folder)
        self._backbone: Any = None
        self._batches: list[Batch] = []
        self._known: dict[str, tuple[list[str], str | None]] = {}
        self._held = ExitStack()

    def __enter__(self) -> Self:
        """Take the folder for this process alone, and read its journal."""
        path = self._folder / JOURNAL
        with ExitStack() as held:
            if not held.enter_context(alone(path)):
                rule = "must be of one howfar watch at a time"
                raise InputError.of("out", rule, str(self._folder), "wait for the other's end")
            self._journal = held.enter_context(path.open("r+b"))
            data = self._journal.read()
            whole = data.rfind(b"\n") + 1
            self._journal.truncate(whole)  # a kill may have cut off the last line, whose image comes again
            self._journal.seek(whole)
            begun = {"format": FORMAT, "profile": hashlib.sha256(place_of(self._file).read_bytes()).hexdigest()}
            try:
                lines = [_intact(line) for line in data[:whole].splitlines()] or [begun]
                for line in lines:
                    self._count(line)
            except (ValueError, LookupError, TypeError) as error:
                raise StoreError(f"{path} is damaged: move {self._folder} away, and all images count as new") from error
            if lines[0] != begun:
                rule = f"must be that with which {self._folder} was begun"
                raise InputError.of("profile", rule, str(self._file), "watch into another folder (--out)")
            if not whole:
                self._note(begun)
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def look(self, paths: Sequence[str] = (), close: bool = False) -> WatchState:
        """Add new images to batches, check what changed, return the state; `close` or a new day draws an image to label."""
        today = datetime.now(UTC).date().isoformat()
        if self._batches and self._batches[-1].day < today:
            self._close()
        arrived, waiting = self._arrived(paths)
        if arrived:
            self._backbone = self._backbone or load_again(self._profile, **picked(BackboneOptions, self._options))
            members = tuple(Arrival(self.name, line["path"], item.path) for item, line in arrived)
            group = Group(members, dataset=Dataset(self.name, tuple(item for item, _ in arrived)))
            for (_, line), outcome in zip(arrived, self._scorer().each(group), strict=True):
                told: dict[str, Any] = {"score": asdict(outcome)} if isinstance(outcome, Score) else {"reason": outcome.reason}
                self._note({"day": today, **line, **told})
        if close:
            self._close()
        os.fsync(self._journal.fileno())
        labels = self._labels()
        waits = [(str(number), batch) for number, batch in enumerate(self._batches, 1) if str(number) not in labels]
        to_label = tuple((number, batch.scores[batch.drawn].image) for number, batch in waits if batch.drawn is not None)
        return WatchState(self._check(labels), len(arrived), waiting, to_label)

    def _note(self, line: Mapping[str, Any]) -> None:
        """Write a line of the journal with its checksum, and count it."""
        self._journal.write(sealed(json.dumps({**line, SEAL: UNSEALED}).encode()) + b"\n")
        self._journal.flush()
        self._count(line)

    def _count(self, line: Mapping[str, Any]) -> None:
        if "profile" in line:
            return
        if "closed" in line:
            batch = self._batches[-1]
            batch.closed, batch.drawn = True, line["drawn"]
            if batch.drawn is not None and batch.drawn >= len(batch.scores):
                raise LookupError("an image that was drawn is missing")
            return
        if not self._batches or self._batches[-1].closed:
            self._batches.append(Batch(line["day"]))
        path, batch = line["path"], self._batches[-1]
        self._known[path] = line["stamp"], line["content"]
        batch.unread.pop(path, None)  # a file that could not be read and has changed since was not whole then
        if "score" in line:
            batch.scores.append(Score(**line["score"]))
        else:
            batch.unread[path] = Skipped(self.name, path, line["reason"])

    def _close(self) -> None:
        """Close the last batch, and draw one of its images."""
        if self._batches and not self._batches[-1].closed:
            count = len(self._batches[-1].scores)
            self._note({"closed": True, "drawn": secrets.randbelow(count) if count else None})

    def _arrived(self, paths: Sequence[str]) -> tuple[list[tuple[Item, dict[str, Any]]], int]:
        """Return the new images with their line of the journal, and how many wait for their map or are being written."""
        items = [Item(path_text(place), place) for place in dict.fromkeys(map(as_location, paths))]
        if self._images is not None:
            is_empty = isinstance(self._place, Path) and self._place.is_dir() and not walk(self._place)
            items = [] if is_empty else list(parse_images(self._images).items)
        before = {item.name: _stamp(item.path) for item in items}
        fresh = [item for item in items if before[item.name] != self._known.get(path_text(image_place(item)), ([], None))[0]]
        maps: Mapping[str, Path] | None = None
        if fresh and self._options.get("predictions") is not None:
            maps = {}
            with suppress(InputError):  # no map is there yet
                maps = match_maps(Dataset(self.name, tuple(items)), self._options["predictions"]).files
        at_first = {name: _stamp(file) for name, file in (maps or {}).items()}
        if any(isinstance(item.path, Path) for item in fresh):
            time.sleep(SETTLE)
        new, waiting = list[tuple[Item, dict[str, Any]]](), 0
        for item in fresh:
            has_map = maps is None or (item.name in maps and at_first[item.name] == _stamp(maps[item.name]))
            if not has_map or before[item.name] != _stamp(item.path):
                waiting += 1
                continue
            path, content = path_text(image_place(item)), None
            with suppress(ImageError):
                content = content_hash(read_bytes(item.path))
            if path in self._known and self._known[path][1] == content:
                self._known[path] = before[item.name], content  # touched alone
            else:
                new.append((item, {"path": path, "stamp": before[item.name], "content": content}))
        return new, waiting

    def _scorer(self) -> Scorer:
        return Scorer(self._profile, self._backbone, picked(ScoringOptions, self._options))

    def _labels(self) -> dict[str, float]:
        """Read the performance of drawn images by batch, and add rows for those that have none yet."""
        file, labels = self._folder / LABELS, dict[str, float]()
        drawn = {str(number): batch for number, batch in enumerate(self._batches, 1) if batch.drawn is not None}
        if not file.is_file():
            replace_text(file, f"{','.join(COLUMNS)}\n")
        table = read_tabular(file)
        if not {*COLUMNS} <= {*table}:
            raise InputError.of(LABELS, f"must have the columns {', '.join(COLUMNS)}", str(file), "move it away")
        for batch, given in zip(table["batch"], table["performance"].str.strip(), strict=True):
            if batch not in drawn:
                raise InputError.of(f"batch in {file}", f"must be one of {', '.join(drawn) or 'none yet'}", batch)
            with suppress(ValueError):
                labels |= {batch: float(given)} if given else {}
            if given and not 0 <= labels.get(batch, math.nan) <= 1:
                raise InputError.of("performance", f"of batch {batch} in {file} must lie between 0 and 1", given)
        missing = [
            (number, one.scores[one.drawn or 0].image) for number, one in drawn.items() if number not in set(table["batch"])
        ]
        if missing:
            rows = "".join(f'{number},"{image.replace(chr(34), 2 * chr(34))}",\n' for number, image in missing)
            text = file.read_text(encoding="utf-8-sig")
            replace_text(file, f"{text}{'' if text.endswith(chr(10)) else chr(10)}{rows}")
        return labels

    def _check(self, labels: Mapping[str, float]) -> Check | None:
        """Check each batch whose row in the log is outdated, and return the check of the last batch."""
        rows = {row.key: row.batch for row in logs.read(self._folder / LOG)[0]}
        places = {} if self._images is None else {self.name: self._images}
        commands = {self.name: certifying(self._profile, self._file, places, self.name, self._options)}
        found = None
        for number, batch in enumerate(self._batches, 1):
            measured = np.full(len(batch.scores), np.nan)
            if batch.drawn is not None:
                measured[batch.drawn] = labels.get(str(number), np.nan)
            now = (len(batch.scores), len(batch.unread), tuple(measured[np.isfinite(measured)].tolist()))
            row = rows.get(f"batch {number}")
            is_new = row is None or (row.n, row.unreadable, row.measured) != now
            if is_new or batch is self._batches[-1]:
                scores = gathered(self._scorer(), [*batch.scores, *batch.unread.values()])
                beside: dict[str, Any] = {"measured": measured, "commands": commands, "write": is_new}
                found = decided(
                    self._profile, self._rules, scores, self._folder / LOG, self._begin, **beside, key=f"batch {number}"
                )
        return found


def _intact(line: bytes) -> dict[str, Any]:
    """Parse a line of the journal; `ValueError` for one with another checksum."""
    if not is_intact(line):
        raise ValueError(f"a line of it has changed: {line[:80]!r}")
    found: dict[str, Any] = json.loads(line)
    del found[SEAL]
    return found


def _stamp(place: Location | str) -> list[str]:
    with suppress(OSError):
        return [str(part) for part in stamp(as_location(place))]
    return []


@dataclass(eq=False)
class WatchPage(Site):
    """Answer requests for the page of a watch: the verdict, and the image that is to be labelled."""

    title: str
    found: WatchState | None = None

    def get(self, path: str) -> Response:
        """Answer a GET of the page or of its picture."""
        lines, asked = ([], []) if self.found is None else (self.found.lines(), [image for _, image in self.found.to_label])
        if path == "/image" and asked:
            with suppress(ImageError):  # it may have gone meanwhile
                return Response(200, SHOWN["PNG"], encoded(photograph(asked[-1]), "PNG"))
        if path != "/":
            return NOT_FOUND
        page = fill("watch.html.j2", {"title": self.title, "lines": lines, "asks": bool(asked)})
        return Response(200, "text/html; charset=utf-8", page.encode())
