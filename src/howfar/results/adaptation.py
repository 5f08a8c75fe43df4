"""What labelling a few images of each secondary bought: the models of an adaptation study, their scores, and the gains."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.errors import MissingPathError, StoreError
from howfar.numbers import format_number
from howfar.plots import Plots
from howfar.results.files import plain, replace
from howfar.results.records import Provenance
from howfar.results.tables import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 2
BASELINE = "M"
TABLES = ("models", "scores", "images", "picks", "gains", "suppression")
ALL = "all"


@dataclass(frozen=True, eq=False, repr=False)
class Adaptation:
    """An adaptation study (section 4.3, appendix C), as `howfar.adapt` returns it.

    Attributes
    ----------
    primary, secondaries, blind, background, segmenter, settings, provenance
        Names of the datasets, the segmenter's, what was chosen, what made it.
    models
        One row a model and seed: seed, model ("M", "far-3", "far-7-B3"), strategy, shots, background, weights, threshold (tuned
        on P's held-out photographs), held_out_ods (P's).
    scores
        One row a model, seed and dataset: n (images that no model learnt from), ods, ods_threshold, f (of summed counts at the
        model's own threshold), mean_f (of the images' own at it), false_positive_share (mean over images without foreground).
    images
        One row a model, seed and image: dataset, image, photograph, distance (scaled I^dist by that seed's M), f,
        false_positive_share (of images without foreground), path, mask, map (8-bit probabilities, below the study's folder).
        Blind images without masks, and the background images that were left out, have rows without f.
    picks
        One row a chosen image: seed, strategy, dataset, image, rank, distance, content.
    gains
        One row a model and dataset ("all": datasets alike): gain of mean_f over M, low and high of its 95 % interval over
        photographs and trainings, and where random was a strategy the same of the difference from random at as many shots
        (over_random, over_random_low, over_random_high); beats_random and below_random, whether the interval of that
        difference, at a level corrected for the number of strategies, lies above or below 0 (None with one seed).
    suppression
        One row a model with background and the one without: share of false positives on the background left out, change of
        it with low and high of its interval, cost: change of mean F of the secondaries with cost_low and cost_high.
    notes
        What a reader should know.
    """

    primary: str
    secondaries: tuple[str, ...]
    blind: tuple[str, ...]
    background: str | None
    segmenter: str
    settings: Mapping[str, Any]
    models: pd.DataFrame
    scores: pd.DataFrame
    images: pd.DataFrame
    picks: pd.DataFrame
    gains: pd.DataFrame
    suppression: pd.DataFrame
    provenance: Provenance
    notes: tuple[str, ...] = ()

    @property
    def plot(self) -> Plots:
        """Figures of this result by name: ``adaptation.plot.adaptation_gains()``."""
        return Plots(self, "adaptation_figures")

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``howfar adapt --json`` and of ``adaptation.json``; the images' rows are left out."""
        tables = {name: _rows(getattr(self, name)) for name in TABLES if name != "images"}
        return {
            "format": FORMAT,
            "primary": self.primary,
            "secondaries": list(self.secondaries),
            "blind": list(self.blind),
            "background": self.background,
            "segmenter": self.segmenter,
            "settings": plain(self.settings),
            **tables,
            "verdict": self.verdict(),
            "notes": list(self.notes),
            "provenance": plain(asdict(self.provenance)),
        }

    def save(self, folder: str | Path) -> Path:
        """Write adaptation.json and a Parquet file a table into a folder, and return it."""
        root = Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            frame: pd.DataFrame = getattr(self, name)
            replace(root / f"{name}.parquet", partial(frame.to_parquet, index=False))
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        replace(root / "adaptation.json", lambda path: path.write_text(text, encoding="utf-8"))
        return root

    @classmethod
    def load(cls, folder: str | Path) -> Adaptation:
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
        if not (root / "adaptation.json").is_file():
            raise MissingPathError(f"{root / 'adaptation.json'} is not there: name a folder that howfar adapt wrote")
        try:
            document = json.loads((root / "adaptation.json").read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise StoreError(f"{root}: adaptation has another format than this howfar reads ({FORMAT}): run adapt again")
            return cls(
                primary=document["primary"],
                secondaries=tuple(document["secondaries"]),
                blind=tuple(document["blind"]),
                background=document["background"],
                segmenter=document["segmenter"],
                settings=document["settings"],
                **{name: pd.read_parquet(root / f"{name}.parquet") for name in TABLES},
                provenance=Provenance(**document["provenance"]),
                notes=tuple(document["notes"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{root}: adaptation is damaged ({type(error).__name__}): run adapt again") from error

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and cells, a row a model: mean F of each dataset over the seeds that all have, gain with its interval."""
        datasets = [name for name in (*self.secondaries, *self.blind) if name in set(self.scores["dataset"])]
        shared = self.scores[~self.scores["seed"].isin(self.settings["random_seeds"])]
        mean = shared.groupby(["model", "dataset"])["mean_f"].mean()
        rows = []
        for model in dict.fromkeys(self.scores["model"]):
            cells = [format_number(mean.get((model, dataset)), 3) for dataset in datasets]
            rows.append((str(model), *cells, self._gain(str(model))))
        return ("model", *datasets, "gain over M [95 % CI]"), rows

    def caption(self) -> str:
        """One line that says what the table is about."""
        seeds = len(self.settings["seeds"])
        further = len(self.settings["random_seeds"])
        runs = f"{seeds} seed{'' if seeds == 1 else 's'}" + (f", {seeds + further} of random" if further else "")
        return f"mean F of images that no model learnt from: {self.segmenter} on {self.primary} and a few of each, {runs}"

    def verdict(self) -> str:
        """One sentence on each number of shots: does a strategy beat drawing at random? Empty where random was none.

        A strategy beats random where the interval of their difference over all secondaries, at a level corrected for the number
        of strategies, lies above 0. With one seed that cannot be told.
        """
        pooled = self.gains[self.gains["dataset"] == ALL].merge(self.models.drop_duplicates("model"), on="model")
        judged = pooled[pooled["over_random"].notna() & (pooled["background"] == 0)]
        return " ".join(_judged(count, judged[judged["shots"] == count]) for count in sorted(set(judged["shots"].tolist())))

    def _gain(self, model: str) -> str:
        found = self.gains[(self.gains["model"] == model) & (self.gains["dataset"] == ALL)]
        if not len(found):
            return "–"
        row = found.iloc[0]
        return f"{row['gain']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"

    def __repr__(self) -> str:
        return "\n".join([self.caption(), *as_text(*self.table()), *([self.verdict()] if self.verdict() else []), *self.notes])

    def _repr_html_(self) -> str:
        return as_html(self.caption(), *self.table(), [*([self.verdict()] if self.verdict() else []), *self.notes])


def _judged(shots: int, rows: pd.DataFrame) -> str:
    """What `Adaptation.verdict` says of one number of shots."""
    at = f"At {shots} image{'' if shots == 1 else 's'} of each dataset"
    if rows["beats_random"].isna().any():
        return f"{at} one seed does not tell whether {' or '.join(rows['strategy'])} beats random: take three or more."
    better = list(rows.loc[rows["beats_random"].astype(bool), "strategy"])
    worse = list(rows.loc[rows["below_random"].astype(bool), "strategy"])
    behind = f"; {', '.join(worse)} {'does' if len(worse) == 1 else 'do'} worse than random" if worse else ""
    if better:
        return f"{at} {', '.join(better)} beat{'s' if len(better) == 1 else ''} random{behind}."
    who = rows["strategy"].iloc[0] if len(rows) == 1 else f"any of {len(rows)} strategies"
    return f"{at} there is no evidence that {who} beats random{behind}."


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON values, None for what is undefined."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return rows
