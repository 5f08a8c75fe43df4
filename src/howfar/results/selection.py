"""Which images of a dataset to label, and why each."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar import registry
from howfar.errors import MissingPathError, StoreError
from howfar.plots import Plots
from howfar.results.files import plain
from howfar.results.records import Provenance
from howfar.results.tables import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
FILE = "selection.json"


@dataclass(frozen=True)
class Pick:
    """A chosen image: its place in the order of choice, its name and file, its scaled distance (0-1), and why it was chosen."""

    rank: int
    image: str
    path: str
    distance: float
    reason: str


@dataclass(frozen=True, repr=False)
class Selection:
    """The images of one dataset that a strategy chose, as `howfar.select` returns them.

    Attributes
    ----------
    primary, dataset
        Names of P and of the dataset chosen from.
    strategy, nested
        What chose, and whether fewer would be the first of these.
    seed
        Of what is drawn.
    n, labelled
        Images of the dataset in the run; how many of them had labels already.
    picks
        The chosen images, in the order of choice.
    notes, provenance
        What a reader should know, what made it.
    """

    primary: str
    dataset: str
    strategy: str
    nested: bool
    seed: int
    n: int
    labelled: int
    picks: tuple[Pick, ...]
    provenance: Provenance
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.picks)

    @property
    def paths(self) -> tuple[str, ...]:
        """Files of the chosen images; their names where there are none (ready-made embeddings)."""
        return tuple(pick.path or pick.image for pick in self.picks)

    @property
    def plot(self) -> Plots:
        """Figures of this result by name: ``selection.plot.contact_sheet()``."""
        return Plots(self, "selection_figures")

    def to_frame(self) -> pd.DataFrame:
        """One row a chosen image: rank, image, path, distance, reason."""
        import pandas as pd

        return pd.DataFrame([asdict(pick) for pick in self.picks])

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``howfar select --json`` and of ``selection.json``."""
        return {
            "format": FORMAT,
            "primary": self.primary,
            "dataset": self.dataset,
            "strategy": self.strategy,
            "nested": self.nested,
            "seed": self.seed,
            "n": self.n,
            "labelled": self.labelled,
            "picks": [asdict(pick) for pick in self.picks],
            "notes": list(self.notes),
            "provenance": plain(asdict(self.provenance)),
        }

    def save(self, out: str | Path) -> Path:
        """Write it into a folder and return that: the list, a contact sheet, and files for labelling tools.

        They are chosen.txt, chosen.csv, contact_sheet.png, coco.json, cvat.xml, label_studio.json and selection.json. A
        selection that is there already is replaced. Images are pointed to, never copied. What cannot be written (ready-made
        embeddings have no files of images, a file may be gone) is left out with a warning.
        """
        folder = Path(out)
        for remark in registry.load("reports", "selection")(self, folder):
            warnings.warn(remark, UserWarning, stacklevel=2)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Selection:
        """Read it back.

        Raises
        ------
        MissingPathError
            The folder holds none.
        StoreError
            It is damaged, or of another format.
        """
        file = Path(folder) / FILE
        if not file.is_file():
            raise MissingPathError(f"{file} is not there: pass a folder that howfar select wrote")
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
            if document.pop("format") != FORMAT:
                raise StoreError(f"{file} has another format than this howfar reads ({FORMAT}): run select again")
            return cls(
                **{
                    **document,
                    "picks": tuple(Pick(**pick) for pick in document["picks"]),
                    "notes": tuple(document["notes"]),
                    "provenance": Provenance(**document["provenance"]),
                }
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise StoreError(f"{file} is damaged ({type(error).__name__}: {reason}): run select again") from error

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and formatted cells, one row a chosen image: what terminal and notebook show."""
        rows: list[tuple[str, ...]] = [(pick.image, str(pick.rank), f"{pick.distance:.3f}", pick.reason) for pick in self.picks]
        return ("image", "rank", "distance", "reason"), rows

    def caption(self) -> str:
        """One line that says what the table is about."""
        already = f", {self.labelled} of them labelled already" if self.labelled else ""
        return f"{len(self)} of {self.n} images of {self.dataset}{already}, chosen by {self.strategy}, seed {self.seed}"

    def __repr__(self) -> str:
        return "\n".join([self.caption(), *as_text(*self.table()), *self.notes])

    def _repr_html_(self) -> str:
        return as_html(self.caption(), *self.table(), self.notes)
