"""Hold the results of all studies that a study file (a TOML file) lists, in the order in which the studies ran."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from howfar import registry
from howfar.errors import UnknownNameError
from howfar.formatting_and_escaping import duration
from howfar.io.atomic_writes import replace
from howfar.io.file_location import absolute
from howfar.option_checks_and_signatures import nearest
from howfar.results.display_and_shared_records import Cells
from howfar.results.result import PART, Result, StudyResult


@dataclass(frozen=True)
class StudyRecord:
    """Hold a study's record: name, kind, heading, key of its inputs, and duration in seconds."""

    name: str
    kind: str
    title: str
    key: str
    seconds: float


@dataclass(frozen=True)
class StudyDataset:
    """Hold a dataset of a study file: name, number of drawn images, path or URL, and the paper's symbol or ""."""

    name: str
    n: int
    source: str
    stands_for: str


@dataclass(frozen=True, eq=False, repr=False)
class StudyRun(StudyResult):
    """Hold the results of a study file, each in a subfolder of the run folder, made by `howfar.study`.

    Attributes
    ----------
    title, text
        Heading of the report, and the study file as it was written.
    studies, results
        A record of each study, and the result of each, in the order of the records.
    datasets
        Every dataset of the file.
    notes, provenance
        What a reader should know; what made it.
    """

    DOCUMENT: ClassVar = "study.json"
    SUBJECT: ClassVar = ": the run of a study file"
    REPORT: ClassVar = "study"

    title: str
    text: str
    studies: tuple[StudyRecord, ...]
    results: tuple[Result, ...] = field(metadata={PART: True})
    datasets: tuple[StudyDataset, ...]

    @property
    def symbols(self) -> dict[str, str]:
        """Map datasets to the paper's symbols that they stand for, if the file gives them."""
        return {dataset.name: dataset.stands_for for dataset in self.datasets if dataset.stands_for}

    def __getitem__(self, name: str) -> Result:
        found = self._parts()
        if name not in found:
            raise UnknownNameError(f"no study named {name!r}: {nearest(name, list(found), 'studies')}")
        return found[name]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar study --json``, including every study's result."""
        return {**self._document(), "results": {name: result.to_dict() for name, result in self._parts().items()}}

    def _document(self) -> dict[str, Any]:
        return self._json()

    def _parts(self) -> Mapping[str, Result]:
        return {record.name: result for record, result in zip(self.studies, self.results, strict=True)}

    def save_document(self, folder: str | Path) -> Path:
        """Write the document only, as the results are already in subfolders, and return the folder."""
        root = absolute(folder)
        root.mkdir(parents=True, exist_ok=True)
        replace(root / self.DOCUMENT, lambda part: part.write_bytes(self._sealed()))
        return root

    @classmethod
    def _read(cls, document: Mapping[str, Any], root: Path) -> Self:
        values = cls._values(document)
        studies: tuple[StudyRecord, ...] = values["studies"]
        results = tuple(registry.load("studies", record.kind).result.load(root / record.name) for record in studies)
        return cls(results=results, **values)

    def table(self) -> Cells:
        """Return header and cells, one row per study."""
        rows: list[tuple[str, ...]] = [(each.name, each.kind, duration(each.seconds)) for each in self.studies]
        return ("study", "kind", "took"), rows

    def caption(self) -> str:
        images = sum(dataset.n for dataset in self.datasets)
        count = f"{len(self.studies)} {'study' if len(self.studies) == 1 else 'studies'}"
        return f"{self.title}: {count} on {len(self.datasets)} datasets of {images:,} images"
