"""Several backbones' view of the same datasets, and how far they agree."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar import registry
from howfar.errors import MissingPathError, StoreError
from howfar.numbers import format_number
from howfar.plots import Plots
from howfar.results.comparison import BaselineSummary, Comparison, DatasetSummary
from howfar.results.files import plain, replace
from howfar.results.records import Skipped
from howfar.results.tables import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd

FORMAT: Final = 1
SETS: Final = ""
"""In the agreement table, where other rows name a secondary: the order of the secondaries themselves."""
DOCUMENT: Final = "backbones.json"
AGREEMENT: Final = "agreement.parquet"


@dataclass(frozen=True, eq=False, repr=False)
class BackboneComparison:
    """How far each secondary is from the primary one by several backbones, as `howfar.compare_backbones` returns it.

    Attributes
    ----------
    comparisons
        One `Comparison` a backbone, in the caller's order: just what `howfar.compare` gives by it alone.
    agreement
        A row for each two backbones, the trivial ones among them (one, other), and each dataset: n images that both have seen,
        spearman, the rank correlation of their I^dist, with low and high of its 95 % bootstrap interval over images. Where
        dataset is "", n is the number of secondaries and spearman that of their `relative`, of `o_dist_scaled` where that is
        undefined, with no interval.
    """

    comparisons: tuple[Comparison, ...]
    agreement: pd.DataFrame

    @property
    def backbones(self) -> tuple[str, ...]:
        """The backbones' names."""
        return tuple(one.backbone.name for one in self.comparisons)

    @property
    def trivial(self) -> tuple[str, ...]:
        """The names of the trivial backbones that stand beside them."""
        return tuple(dict.fromkeys(row.backbone for row in self._beside()))

    def _beside(self) -> list[BaselineSummary]:
        rows = dict.fromkeys(row for one in self.comparisons for row in one.baselines)
        return [row for row in rows if row.backbone not in self.backbones]

    @property
    def plot(self) -> Plots:
        """Figures of this result by name: ``found.plot.backbones_relative()``."""
        return Plots(self, "backbone_figures")

    def __getitem__(self, backbone: str) -> Comparison:
        return dict(zip(self.backbones, self.comparisons, strict=True))[backbone]

    def measure(self) -> str:
        """By which number datasets are put in order: "relative" where every backbone has one, else "o_dist_scaled"."""
        rows: list[DatasetSummary | BaselineSummary] = []
        for one in self.comparisons:
            rows += [*one.datasets, *one.baselines]
        return "relative" if all(row.relative is not None for row in rows) else "o_dist_scaled"

    def to_frame(self) -> pd.DataFrame:
        """One row a backbone and secondary.

        Columns: backbone, trivial, dataset, o_dist_scaled, relative with relative_low and relative_high, energy, and rank
        among the secondaries, 1 being the nearest.
        """
        import pandas as pd

        every = [row for one in self.comparisons for row in _rows(one)]
        every += [_trivial(row) for row in self._beside()]
        frame = pd.DataFrame(every)
        return frame.assign(rank=frame.groupby("backbone", sort=False)[self.measure()].rank())

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``howfar compare --json`` with several backbones; per-image tables are left out."""
        first = self.comparisons[0]
        return {
            "format": FORMAT,
            "primary": {"name": first.primary.name, "n": first.primary.n},
            "seed": first.settings.seed,
            "backbones": [one.to_dict() for one in self.comparisons],
            "agreement": _records(self.agreement),
            "skipped": [asdict(one) for one in self.skipped],
            "folders": self.folders(),
        }

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The files that no backbone could be given."""
        return tuple(dict.fromkeys(row for one in self.comparisons for row in one.skipped))

    def folders(self) -> dict[str, str]:
        """Under which name each backbone's run folder lies in the one that `save` writes."""
        taken: dict[str, str] = {}
        for name in self.backbones:
            plainest = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "backbone"
            number, chosen = 1, plainest
            # Some disks tell no capitals from small letters.
            while chosen.casefold() in {one.casefold() for one in taken.values()}:
                number += 1
                chosen = f"{plainest}-{number}"
            taken[name] = chosen
        return taken

    def save(self, out: str | Path, report: bool = True) -> Path:
        """Write a folder that holds each backbone's run folder, backbones.json, agreement.parquet, figures/ and report.html.

        Parameters
        ----------
        out
            The folder, made where it is not there; runs in it under the same names are replaced.
        report
            False leaves out all figures and reports.
        """
        root = Path(out)
        root.mkdir(parents=True, exist_ok=True)
        for one, folder in zip(self.comparisons, self.folders().values(), strict=True):
            one.save(root / folder, report)
        replace(root / AGREEMENT, partial(self.agreement.to_parquet, index=False))
        text = json.dumps(plain(self.to_dict()), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        replace(root / DOCUMENT, lambda path: path.write_text(text, encoding="utf-8"))
        if report:
            registry.load("reports", "backbones")(self, root)
        return root

    @classmethod
    def load(cls, folder: str | Path) -> BackboneComparison:
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
            raise MissingPathError(f"{root / DOCUMENT} is not there: name a folder that compare wrote with several backbones")
        try:
            document = json.loads((root / DOCUMENT).read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise StoreError(f"{root}: backbones have another format than this howfar reads ({FORMAT}): run compare again")
            runs = tuple(Comparison.load(root / one) for one in document["folders"].values())
            return cls(runs, pd.read_parquet(root / AGREEMENT))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{root}: backbones are damaged ({type(error).__name__}): run compare again") from error

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and cells, a row a backbone: row-scaled O^dist of each secondary as in table 2, in brackets `relative`."""
        frame = self.to_frame()
        names = [dataset.name for dataset in self.comparisons[0].datasets]
        rows = []
        for backbone, found in frame.groupby("backbone", sort=False):
            by_name = found.set_index("dataset")
            rows.append((str(backbone), *(_cell(by_name.loc[name]) for name in names)))
        return ("backbone", *names), rows

    def caption(self) -> str:
        """One line that says what the table is about."""
        first = self.comparisons[0]
        return (
            f"{first.primary.name}: {first.primary.n} images; row-scaled O^dist (relative), "
            f"{first.settings.projection} projection, seed {first.settings.seed}"
        )

    def agreed(self, one: str, other: str) -> tuple[float | None, float | None]:
        """Spearman of two backbones' order of the secondaries, and of their order of images, mean over the secondaries."""
        pair = self.agreement[(self.agreement["one"] == one) & (self.agreement["other"] == other)]
        pair = pair if len(pair) else self.agreement[(self.agreement["one"] == other) & (self.agreement["other"] == one)]
        sets = pair["dataset"] == SETS
        return _mean(pair.loc[sets, "spearman"]), _mean(pair.loc[~sets, "spearman"])

    def agreement_lines(self) -> list[str]:
        """A line for each two backbones: how far they agree on datasets and on images."""
        lines = []
        for one, other in dict.fromkeys(zip(self.agreement["one"], self.agreement["other"], strict=True)):
            sets, images = (_signed(value) for value in self.agreed(one, other))
            lines.append(f"{one} and {other}: Spearman {sets} over the datasets' order, {images} over a dataset's images")
        return lines

    def notes(self) -> list[str]:
        """What a reader should know, of all backbones' runs."""
        return list(dict.fromkeys(note for one in self.comparisons for note in one.notes))

    def remarks(self) -> list[str]:
        """Lines that the terminal shows under the table."""
        return [*self.agreement_lines(), *(f"note: {note}" for note in self.notes())]

    def __repr__(self) -> str:
        return "\n".join([self.caption(), *as_text(*self.table()), *self.agreement_lines()])

    def _repr_html_(self) -> str:
        return as_html(self.caption(), *self.table(), self.agreement_lines())


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    return [
        {
            "backbone": comparison.backbone.name,
            "trivial": False,
            "dataset": one.name,
            "o_dist_scaled": one.o_dist_scaled,
            "relative": one.relative,
            "relative_low": None if one.relative_ci is None else one.relative_ci[0],
            "relative_high": None if one.relative_ci is None else one.relative_ci[1],
            "energy": one.energy,
        }
        for one in comparison.datasets
    ]


def _trivial(row: BaselineSummary) -> dict[str, Any]:
    measured = {"o_dist_scaled": row.o_dist_scaled, "relative": row.relative, "energy": row.energy}
    undefined = {"relative_low": None, "relative_high": None}
    return {"backbone": row.backbone, "trivial": True, "dataset": row.dataset, **measured, **undefined}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The frame's rows with None for what is not a number."""
    return [
        {str(key): None if isinstance(value, float) and value != value else value for key, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _cell(row: Any) -> str:
    return f"{row['o_dist_scaled']:.3f} ({format_number(row['relative'], 3)})"


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")
