"""What prompted networks made of images: scores by prompt and dataset, a row an image, and its maps beside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar import registry
from howfar.errors import MissingPathError, StoreError
from howfar.numbers import format_number
from howfar.plots import Plots
from howfar.results.files import plain, replace
from howfar.results.records import Provenance, Skipped
from howfar.results.tables import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd

FORMAT: Final = 1
DOCUMENT: Final = "prompting.json"
IMAGES: Final = "prompting.parquet"


@dataclass(frozen=True, eq=False, repr=False)
class Prompting:
    """Networks that are told what to segment, scored, as `howfar.prompts` returns them.

    Attributes
    ----------
    datasets, prompts, settings, provenance
        Names of the datasets; labels of the prompts ("points", "box", "text: cracks on a road", "persam"); what was chosen;
        what made it.
    scores
        A row a prompt and dataset: n images; ods with ods_threshold, ois and ap over all thresholds; f of summed counts and
        mean_f of the images' own, both at 0.5, which is where SAM itself cuts.
    images
        A row a prompt and image: dataset, image, path, mask, map (below the study's folder), f, and told: a JSON text with
        points, labels, box and text.
    skipped, notes
        Images that could not be read; what a reader should know.
    """

    datasets: tuple[str, ...]
    prompts: tuple[str, ...]
    settings: Mapping[str, Any]
    scores: pd.DataFrame
    images: pd.DataFrame
    provenance: Provenance
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def plot(self) -> Plots:
        """Figures of this result by name: ``found.plot.prompting_rows(folder=OUT)``."""
        return Plots(self, "prompting_figures")

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``howfar prompts --json``; the images' rows are left out."""
        return {
            "format": FORMAT,
            "datasets": list(self.datasets),
            "prompts": list(self.prompts),
            "settings": plain(self.settings),
            "scores": [
                {str(key): None if value != value else value for key, value in row.items()}
                for row in self.scores.to_dict("records")
            ],
            "skipped": [asdict(one) for one in self.skipped],
            "notes": list(self.notes),
            "provenance": plain(asdict(self.provenance)),
        }

    def save(self, folder: str | Path, report: bool = True) -> Path:
        """Write prompting.json, prompting.parquet, figures/ and report.html into the study's folder, and return it.

        Parameters
        ----------
        folder
            The one that the maps lie in.
        report
            False leaves out figures/ and report.html.
        """
        root = Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        replace(root / IMAGES, partial(self.images.to_parquet, index=False))
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        replace(root / DOCUMENT, lambda path: path.write_text(text, encoding="utf-8"))
        if report:
            registry.load("reports", "prompting")(self, root)
        return root

    @classmethod
    def load(cls, folder: str | Path) -> Prompting:
        """Read it back.

        Raises
        ------
        MissingPathError
            The folder holds none.
        StoreError
            It is damaged, or of another format.
        """
        import pandas as pd

        root = Path(folder)
        if not (root / DOCUMENT).is_file():
            raise MissingPathError(f"{root / DOCUMENT} is not there: name a folder that howfar prompts wrote")
        try:
            document = json.loads((root / DOCUMENT).read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise StoreError(f"{root}: prompting has another format than this howfar reads ({FORMAT}): run prompts again")
            scores = pd.DataFrame(document["scores"])
            numbers = [name for name in scores if name not in ("prompt", "dataset", "n")]
            return cls(
                datasets=tuple(document["datasets"]),
                prompts=tuple(document["prompts"]),
                settings=document["settings"],
                scores=scores.astype(dict.fromkeys(numbers, float)),
                images=pd.read_parquet(root / IMAGES),
                provenance=Provenance(**document["provenance"]),
                skipped=tuple(Skipped(**one) for one in document["skipped"]),
                notes=tuple(document["notes"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{root}: prompting is damaged ({type(error).__name__}): run prompts again") from error

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and cells, a row a prompt: ODS of each dataset, and in brackets mean F at 0.5."""
        known = {(row["prompt"], row["dataset"]): row for row in self.scores.to_dict("records")}
        rows = []
        for prompt in self.prompts:
            found = [known[prompt, dataset] for dataset in self.datasets]
            rows.append((prompt, *(f"{format_number(one['ods'], 3)} ({format_number(one['mean_f'], 3)})" for one in found)))
        return ("prompt", *self.datasets), rows

    def caption(self) -> str:
        """One line that says what the table is about."""
        return "ODS (mean F at 0.5) of prompted networks that were trained on none of these images"

    def remarks(self) -> list[str]:
        """Lines that the terminal shows under the table."""
        return [f"note: {note}" for note in self.notes]

    def __repr__(self) -> str:
        return "\n".join([self.caption(), *as_text(*self.table()), *self.remarks()])

    def _repr_html_(self) -> str:
        return as_html(self.caption(), *self.table(), self.remarks())
