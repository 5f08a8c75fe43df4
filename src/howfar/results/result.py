"""Define `Result`, the base class of all results: a frozen dataclass that is displayed, plotted, saved and loaded."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cached_property, partial
from inspect import get_annotations
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, get_type_hints

from howfar import registry
from howfar.errors import InputError, MissingPathError, StoreError, UnknownNameError, one_line, rule_broken
from howfar.io.atomic_writes import cut_off, move_in, naming, replace, staging
from howfar.io.embedded_checksum import SEAL, UNSEALED, sealed
from howfar.io.file_location import absolute
from howfar.io.file_locks import locked
from howfar.io.untrusted_parquet import read_frame
from howfar.results import checksums_and_overwrite_guard as file_guard
from howfar.results.display_and_shared_records import Provenance, Shown, plain

if TYPE_CHECKING:
    import pandas as pd

_FRAME = "pd.DataFrame"
_HOLDS, _FILE = "holds", "file"
PART: Final = "part"
"""In a field's metadata: it holds other results, which have folders of their own."""
_LAST = ("notes", "provenance")


class Result(Shown):
    """Store a frozen dataclass as a JSON document, with its pandas tables as Parquet files in the same folder.

    A result declares its fields and what is written here; its records may be nested dataclasses, tuples and mappings. None
    stands for what is undefined, in JSON as null.

    - `FORMAT`, `DOCUMENT`: The number of the format; the JSON file's name.
    - `TABLES`, `COLUMNS`, `LATER`: Made of the fields that are tables, as `holding` describes them: the Parquet file of each;
      the columns that each holds at least, float for numbers and str for texts; those with a default, which they have in
      folders of earlier versions.
    - `BESIDE`: Further Parquet files that are written and never read.
    - `FILLED`: Fields that hold something in every document, and tables that have rows.
    - `TIMED`: Fields that depend on how long something took here, which no other run repeats.
    - `COMMAND`, `MISSING`: The command that makes it, and where its files are to be looked for: the remedies of the error
      lines.
    - `SUBJECT`, `DAMAGE`: What the error lines call it after the folder, and how they say that it is damaged.
    - `FIGURES`, `REPORT`, `PAGE`: The registry's kind of its figures, by default that of the document's name; the name of what
      draws its page; whether that is the folder's report.html.
    """

    FORMAT: ClassVar[int] = 1
    DOCUMENT: ClassVar[str]
    TABLES: ClassVar[Mapping[str, str]] = {}
    COLUMNS: ClassVar[Mapping[str, Mapping[str, type]]] = {}
    BESIDE: ClassVar[tuple[str, ...]] = ()
    LATER: ClassVar[tuple[str, ...]] = ()
    FILLED: ClassVar[tuple[str, ...]] = ()
    TIMED: ClassVar[tuple[str, ...]] = ()
    COMMAND: ClassVar[str]
    MISSING: ClassVar[str] = ""
    SUBJECT: ClassVar[str] = ""
    DAMAGE: ClassVar[str] = "is damaged"
    FIGURES: ClassVar[str] = ""
    REPORT: ClassVar[str]
    PAGE: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {name: vars(cls).get(name) for name, kind in get_annotations(cls).items() if kind == _FRAME}
        tables = {name: table if isinstance(table, Field) else field() for name, table in own.items()}
        files = {name: table.metadata.get(_FILE) or f"{name}.parquet" for name, table in tables.items()}
        columns = {name: table.metadata[_HOLDS] for name, table in tables.items() if _HOLDS in table.metadata}
        later = tuple(name for name, table in tables.items() if table.default_factory is not MISSING)
        made = {"TABLES": {**cls.TABLES, **files}, "COLUMNS": {**cls.COLUMNS, **columns}, "LATER": cls.LATER + later}
        for name in made.keys() - vars(cls).keys():
            setattr(cls, name, made[name])

    @cached_property
    def run_id(self) -> str:
        """Return 16 hexadecimal digits that identify this result and mark all its files."""
        return secrets.token_hex(8)

    @cached_property
    def parents(self) -> tuple[str, ...]:
        """Return the ids of the results from which this result was made, so that other runs' results are not mixed in."""
        return ()

    @cached_property
    def folder(self) -> Path | None:
        """Return the run folder of the last save or load; None before that."""
        return None

    def made_from(self, *results: Result) -> Self:
        """Return this result with the ids of its source results, which its document stores."""
        noted = copy.copy(self)
        noted.__dict__["parents"] = tuple(result.run_id for result in results)
        return noted

    def part_of(self, whole: Result) -> Self:
        """Return this result under the ids of the whole result, for figures and pages of that run."""
        shown = copy.copy(self)
        shown.__dict__.update(run_id=whole.run_id, parents=whole.parents, folder=whole.folder)
        return shown

    @property
    def plot(self) -> Plots:
        """Provide the registered figures of this result by name, such as ``comparison.plot.violin()``."""
        return Plots(self, self.FIGURES or f"{self.DOCUMENT.removesuffix('.json')}_figures")

    def runs(self) -> Mapping[str, Result]:
        """Return the results stored in subfolders of this result's folder, by folder name."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``--json``, without per-image tables."""
        return self._json()

    def save(self, folder: str | Path) -> Path:
        """Write the document and the tables into a folder, and return the folder; `howfar.write_report` adds figures and page.

        An earlier result there stays until all of this one is written beside it. Then its document goes, the new files take
        their places, the document last. Where that is cut off, the folder says that the run is not finished.

        Parameters
        ----------
        folder
            It is made where it is not there; what is in it by these names is replaced, and figures and a page of another
            run are removed.
        """
        root = absolute(folder)
        root.mkdir(parents=True, exist_ok=True)
        file_guard.check_files(root)
        for name, run in self._parts().items():
            run.save(root / name)
        text = self._sealed()
        frames, marks = self._frames(), {file_guard.MARK.encode(): self.run_id.encode()}
        with staging(root) as folder_beside:
            for name, frame in frames.items():
                with naming(root / name):
                    (folder_beside / name).write_bytes(file_guard.sealed_table(frame, marks, name))
            with naming(root / self.DOCUMENT):
                (folder_beside / self.DOCUMENT).write_bytes(text)
            with locked(root):
                self.discard(root)
                for file in file_guard.stale_pictures(root, (self.run_id, *self.parents)) if self.PAGE else ():
                    file.unlink(missing_ok=True)
                move_in(folder_beside, root, [*frames, self.DOCUMENT])
                # The last document written is the one reported: it is later than all others in its folder.
                document = root / self.DOCUMENT
                others = [file.stat().st_mtime_ns for file in root.glob("*.json") if file != document]
                latest = max(others, default=0)
                if document.stat().st_mtime_ns <= latest:
                    os.utime(document, ns=(latest + 1_000_000, latest + 1_000_000))
        self.__dict__["folder"] = root
        return root

    @classmethod
    def discard(cls, folder: str | Path) -> None:
        """Remove the files of `save` from a folder, if any, the document first."""
        for name in (cls.DOCUMENT, *cls.TABLES.values(), *cls.BESIDE):
            (absolute(folder) / name).unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a result that `save` wrote.

        Raises `MissingPathError` where the folder or a file of it is not there, `StoreError` where it is damaged or of another
        format, and `InputError` where it takes more memory than is allowed.
        """
        root = absolute(folder)
        if not root.is_dir():
            cls._check_there(root / cls.DOCUMENT)
        # A writer that moves its files in is waited for.
        with cls._reading(root), locked(root, shared=True):
            cls._check_there(root / cls.DOCUMENT)
            text = (root / cls.DOCUMENT).read_bytes()
            document = cls._checked(text, root)
            run = _text_of(document, file_guard.RUN)
            for name in cls._stored(document).values():
                cls._check_there(root / name)
            tables = [root / name for name in (*cls.TABLES.values(), *cls.BESIDE) if (root / name).is_file()]
            for table in tables:
                if file_guard.run_of_table(table) != run:
                    raise cls._of_two_runs(root, table.name)
            result = cls._read(document, root)._known_as(document, text, root)
            # Last, so that files of another format or run say so.
            file_guard.check_document(document, text, root / cls.DOCUMENT)
            for table in tables:
                file_guard.check_table(table, required=SEAL in document)
            return result

    @classmethod
    def _of_two_runs(cls, root: Path, part: str) -> StoreError:
        return StoreError(f"{root}{cls.SUBJECT} is of two runs, {part} and {cls.DOCUMENT}: run {cls.COMMAND} again")

    def _known_as(self, document: Mapping[str, Any], text: bytes, root: Path) -> Self:
        """Set the ids from the document, and check that subfolders hold the results saved with this one."""
        own, parts = _text_of(document, file_guard.RUN), self._parts()
        self.__dict__["run_id"] = own or hashlib.sha256(text).hexdigest()[:16]
        self.__dict__["parents"] = tuple(map(str, document.get("parents", ())))
        self.__dict__["folder"] = root
        for name, run in document.get("runs_of", {}).items():
            if name not in parts or parts[name].run_id != run:
                raise self._of_two_runs(root, name)
        return self

    def _parts(self) -> Mapping[str, Result]:
        """Return every result in a subfolder of this result's folder, by folder name."""
        return self.runs()

    def _sealed(self) -> bytes:
        """Return the bytes of the JSON file, with the ids of this run, its sources and its parts, and their checksum."""
        marks: dict[str, Any] = {file_guard.RUN: self.run_id}
        if self.parents:
            marks["parents"] = list(self.parents)
        if self._parts():
            marks["runs_of"] = {name: run.run_id for name, run in self._parts().items()}
        document = {"format": self.FORMAT, **marks, **self._document(), SEAL: UNSEALED}
        return sealed(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n")

    def _document(self) -> dict[str, Any]:
        """Return the content of the JSON file."""
        return self.to_dict()

    def _frames(self) -> dict[str, pd.DataFrame]:
        """Return the Parquet files' tables by file name."""
        return {file: getattr(self, name) for name, file in self.TABLES.items()}

    def _json(self, **more: Any) -> dict[str, Any]:
        """Return the non-table fields and `more` as JSON values, with notes and provenance last."""
        values = {name: plain(getattr(self, name)) for name in _plain_fields(type(self))}
        last = {name: values.pop(name) for name in _LAST if name in values}
        return {"format": self.FORMAT, **values, **more, **last}

    @classmethod
    def _read(cls, document: Mapping[str, Any], root: Path) -> Self:
        """Build the result from its checked document and the folder's tables."""
        return cls(**cls._values(document), **cls._tables(document, root))

    @classmethod
    def _stored(cls, document: Mapping[str, Any]) -> dict[str, str]:
        """Return the Parquet files of a document's version, by field."""
        return {name: file for name, file in cls.TABLES.items() if name in document or name not in cls.LATER}

    @classmethod
    def _tables(cls, document: Mapping[str, Any], root: Path) -> dict[str, pd.DataFrame]:
        """Read the folder's tables, and check their columns."""
        tables = {name: read_frame(root / file) for name, file in cls._stored(document).items()}
        for name, table in tables.items():
            for column, kind in cls.COLUMNS.get(name, {}).items():
                if column not in table:
                    raise ValueError(f"{cls.TABLES[name]} has no column {column}")
                cells = table[column]
                # A column without values may be of any type.
                if cells.notna().any() and (cells.dtype.kind in "fiub") is not (kind is float):
                    must = "numbers" if kind is float else "texts"
                    raise ValueError(f"{cls.TABLES[name]}: column {column} must hold {must}")
            if name in cls.FILLED and table.empty:
                raise ValueError(f"{cls.TABLES[name]} has no rows")
        return tables

    @classmethod
    def _values(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        """Convert the document's values to the fields' types: records, tuples, None."""
        import pandas as pd
        from pydantic import ConfigDict, ValidationError, create_model

        for name in cls.FILLED:
            if name in document and not document[name]:
                raise TypeError(f"{name}: must hold something")
        # A strict model of the fields, which converts no value to another type.
        hints = get_type_hints(cls, localns={"pd": pd})
        declared: dict[str, Any] = {
            name: (hints[name], ... if field.default is MISSING and field.default_factory is MISSING else field)
            for name, field in _plain_fields(cls).items()
        }
        model = create_model(cls.__name__, __config__=ConfigDict(strict=True, extra="forbid"), **declared)
        values = json.dumps({name: value for name, value in document.items() if name in declared})
        try:
            return dict(model.model_validate_json(values))
        except ValidationError as error:
            first = error.errors()[0]
            raise TypeError(f"{'.'.join(map(str, first['loc']))}: {rule_broken(first)}") from error

    @classmethod
    def _checked(cls, text: str | bytes, path: Path) -> dict[str, Any]:
        """Parse a document and check that this version reads its format."""
        document: dict[str, Any] = json.loads(text, parse_constant=_refuse_constant)
        if document["format"] != cls.FORMAT:
            raise StoreError(
                f"{path}{cls.SUBJECT} has another format than this howfar reads ({cls.FORMAT}): run {cls.COMMAND} again"
            )
        return document

    @classmethod
    def _check_there(cls, file: Path) -> None:
        if file.is_file():
            return
        remedy = f"run {cls.COMMAND} again"
        if cut_off(file.parent):
            raise MissingPathError(f"{file.parent}{cls.SUBJECT} is not finished, its writing was cut off: {remedy}")
        where = cls.MISSING or f"name a folder that howfar {cls.COMMAND} wrote"
        raise MissingPathError(f"{file} is not there: {where}; where that was stopped before its end, {remedy}")

    @classmethod
    @contextmanager
    def _reading(cls, path: Path) -> Iterator[None]:
        """Turn the errors of damaged files into one line with the place, reason and remedy."""
        from pyarrow import ArrowException

        try:
            yield
        except (MissingPathError, StoreError, InputError, PermissionError):
            raise
        except (ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            reason = one_line(f"{type(error).__name__}: {error}")
            command = "assess" if (path / file_guard.ASSESSMENT).is_file() else cls.COMMAND
            raise StoreError(f"{path}{cls.SUBJECT} {cls.DAMAGE} ({reason}): run {command} again") from error


class Plots:
    """Bind the registered figures to a result; each method returns a matplotlib Figure."""

    def __init__(self, result: Result, kind: str) -> None:
        self._result, self._kind = result, kind

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            figure = registry.load(self._kind, name)
        except UnknownNameError as error:
            raise AttributeError(str(error)) from error

        draw = partial(figure, self._result)
        draw.__doc__ = figure.__doc__
        return draw

    def __dir__(self) -> Iterator[str]:
        return iter(registry.names(self._kind))


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RecordedResult(Result):
    """Add to a result its provenance (what made it) and notes (what a reader should know)."""

    provenance: Provenance
    notes: tuple[str, ...] = ()


class SingleFile(RecordedResult):
    """Store a result in one file, as a subclass reads and `_sealed` writes it."""

    def save(self, file: str | Path) -> Path:
        """Write the file, for an evaluation Parquet with the scores in its metadata, and return the named path."""
        path = self._file(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, lambda part: part.write_bytes(self._sealed()))
        return absolute(file)

    @classmethod
    def load(cls, file: str | Path) -> Self:
        """Read a file that `save` wrote; a folder stands for the ``certificate.json`` in it.

        Raises `MissingPathError` where there is no such file, and `StoreError` where it is damaged, of another format, or was
        not written by `save`.
        """
        path = cls._file(file)
        cls._check_there(path)
        with cls._reading(path):
            return cls._parsed(path)

    @classmethod
    def _file(cls, file: str | Path) -> Path:
        return absolute(file)

    @classmethod
    def _parsed(cls, path: Path) -> Self:
        raise NotImplementedError


class StudyResult(RecordedResult):
    """Give the results of a study file's studies their command and a section of the study's page."""

    COMMAND: ClassVar[str] = "study"
    REPORT: ClassVar[str] = "section"


def holding(texts: str, numbers: str = "", file: str = "") -> dict[str, Any]:
    """Describe a field that is a table by the text and number columns that it must have, and by its file if named otherwise."""
    return {_HOLDS: dict.fromkeys(texts.split(), str) | dict.fromkeys(numbers.split(), float), _FILE: file}


def _text_of(document: Mapping[str, Any], name: str) -> str:
    """Return a text value of a document, "" if missing; raise `TypeError` for another type."""
    text = document.get(name, "")
    if not isinstance(text, str):
        raise TypeError(f"{name}: must be a text")
    return text


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} stands where JSON has a number or null")


def _plain_fields(kind: Any) -> dict[str, Field[Any]]:
    """Return a result's fields that are neither tables nor other results, by name."""
    return {field.name: field for field in fields(kind) if field.type != _FRAME and PART not in field.metadata}
