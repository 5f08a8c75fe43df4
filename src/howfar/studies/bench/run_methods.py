"""Run score-estimation methods on stored tables of per-image signals, and compare estimates with true scores (`howfar bench`).

A method is a Python file that defines at least one of four functions. Each is called for one site of an entry at a time.

``estimator(labelled, site)``
    Returns the expected performance of the site's m images, (m,), or a mapping of ``images`` (m,) and, where it has them,
    ``mean``, ``low`` and ``high`` (of the site's mean, with a 90 % interval), ``images_low`` and ``images_high`` (m,). None: no
    answer for this site.
``gate(labelled, site)``
    Returns whether estimates of the site may be believed.
``selector(labelled, site)``
    Returns a score of each image, (m,), the higher the better its map; None: no answer.
``certificate(proxy, k, ask, seed)``
    Chooses at most k of m images, gets their performance from ``ask(indices)``, and returns the value, the low and the high end
    of a 90 % interval of the mean over all m. ``proxy`` (m,) is what the file's estimator says, else what `signals` says.

``labelled`` is a `pandas.DataFrame` of the images with a known performance, a row each: ``dataset``, ``role`` ("site", "home"
or "corrupted"), ``image``, ``performance``, and the entry's columns of signals. ``site`` has ``image`` and these columns.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from howfar import registry
from howfar.arrays import Float64Array, as_row
from howfar.data.untrusted_files import check_separator, readable
from howfar.errors import InputError, MissingPathError, UnknownNameError, one_line
from howfar.io.untrusted_parquet import read_frame
from howfar.progress import doing
from howfar.relation.labelled_images import HISTOGRAM
from howfar.relation.leave_one_dataset_out import aurc
from howfar.results.display_and_shared_records import plain
from howfar.studies.assessment.site_answers import GAIN
from howfar.studies.bench.methods import LEVEL, METHODS, registered
from howfar.studies.performance.performance_files import evaluations_of

KINDS: Final = ("estimator", "gate", "selector", "certificate")
HERE: Final = Path(__file__).parent
HALF, MISS, NEEDLESS = 0.05, 0.15, 0.1
COUNTS: Final = (4, 8, 12, 16, 24, 32, 48)
"""Numbers of labels that are tried, up to one less than the site has images."""
CHECKED, DRAWS, FEWEST = 8, 20, 20
"""Labels at which intervals are held against the truth, draws at each number, and the least images of a certified site."""
ANSWERS: Final = ("images", "mean", "low", "high", "images_low", "images_high")
INCLUDED: Final = (
    *("howfar", "mean", "atc", "doc", "distance_atc", "conformal_rca", "pairwise_dice", "s_otdd"),
    *("ppi", "ssepy", "random"),
)
"""The methods that are compared by default: those of `METHODS`, and registered estimators."""


@dataclass(frozen=True)
class Entry:
    """Hold the images of one field, primary dataset, model and seed."""

    name: str
    table: pd.DataFrame

    def datasets(self, role: str, maps: str = "whole") -> list[str]:
        """List the datasets of a role."""
        chosen = self.table[(self.table["role"] == role) & (self.table["maps"] == maps)]
        return list(dict.fromkeys(chosen["dataset"]))

    def question(self, dataset: str, maps: str = "whole") -> tuple[pd.DataFrame, pd.DataFrame, Float64Array]:
        """Return the other datasets' labelled images, the dataset's images without performance, and their performance (m,)."""
        rows = self.table[self.table["maps"] == maps].drop(columns="maps")
        own, others = rows[rows["dataset"] == dataset], rows[(rows["dataset"] != dataset) & rows["performance"].notna()]
        hidden = own.drop(columns=["dataset", "role", "performance"]).reset_index(drop=True)
        return others.reset_index(drop=True), hidden, own["performance"].to_numpy(dtype=np.float64)


def read_entries(folder: str | Path) -> list[Entry]:
    """Read the Parquet and CSV files of a folder; raise `HowfarError` if there is none, or if one is not an entry."""
    place = Path(folder)
    if not place.is_dir():
        raise MissingPathError(f"entries {folder} is no folder: name one of Parquet or CSV files, one a model")
    files = sorted(file for file in place.iterdir() if file.suffix in (".parquet", ".csv"))
    if not files:
        raise InputError.of("entries", "must hold Parquet or CSV files", str(folder))
    return [Entry(file.stem, _table(file)) for file in files]


def _table(file: Path) -> pd.DataFrame:
    with readable(file, "pass UTF-8 CSV (named .csv) or Parquet"):
        if file.suffix == ".csv":
            check_separator(file)
            table = pd.read_csv(file, dtype={"dataset": str, "image": str})
        else:
            table = read_frame(file, (HISTOGRAM,))
    if "dataset" not in table:
        raise InputError(f"{file} has no column dataset: an entry has dataset, image, performance and signals")
    table = table.assign(**{name: table.get(name, default) for name, default in (("role", "site"), ("maps", "whole"))})
    halves = [rows for _, rows in table.groupby("maps", sort=False)] or [table]
    return pd.concat([each.images for rows in halves for each in evaluations_of(rows, str(file))], ignore_index=True)


@dataclass(frozen=True)
class Method:
    """Hold a method's functions by kind, and where they come from."""

    name: str
    source: str
    functions: Mapping[str, Callable[..., Any]]

    def call(self, kind: str, where: str, *arguments: Any) -> Any:
        """Call one of the functions; any exception becomes an `InputError` of one line."""
        try:
            return self.functions[kind](*arguments)
        except Exception as error:
            said = f"{type(error).__name__}: {one_line(error)}"
            raise InputError(f"{self.source}: {kind} failed on {where} ({said})") from error


def load_method(word: str) -> Method:
    """Load an included method, a registered estimator, or the file that the caller names, whose code then runs."""
    if word in METHODS:
        return Method(word, word, METHODS[word])
    if word in registry.names("estimators"):
        return Method(word, f"estimator {word}", {"estimator": registered(word)})
    file = Path(word)
    if not file.is_file():
        known = ", ".join(INCLUDED)
        raise UnknownNameError(f"method must be a Python file, a registered estimator or one of {known}, got {word!r}")
    spec = spec_from_file_location(f"howfar_bench_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise InputError.of("method", "must be a Python file (.py)", word)
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{file} cannot be imported ({type(error).__name__}: {one_line(error)})") from error
    functions = {kind: getattr(module, kind) for kind in KINDS if callable(getattr(module, kind, None))}
    if not functions:
        raise InputError(f"{file} must define one of the functions {', '.join(KINDS)}")
    return Method(file.stem, word, functions)


def summary(sites: pd.DataFrame, strangers: pd.DataFrame, field: str = "") -> dict[str, Any]:
    """Average a method's scores over the sites of a field, or of all; `set_error_all` alone counts sites outside its gate."""
    rows, others = (table[table["entry"].str.startswith(f"{field}-" if field else "")] for table in (sites, strangers))
    known, gated = rows[rows["error"].notna()], bool(rows["inside"].notna().any())
    outside = known["inside"].eq(False)
    inside, stopped, advised = known[~outside], known[outside], rows[rows["advised"].notna()]
    gains = advised.loc[advised["advised"] >= GAIN, "gain"]
    held = inside["held"].dropna()
    return {
        "sites": len(rows),
        "answered": int(rows[["error", "aurc", "labels"]].notna().any(axis=1).sum()),
        "inside": len(inside) if gated and len(known) else None,
        "set_error": _mean(inside["error"]),
        "set_error_all": _mean(known["error"]),
        "interval_score": _mean(inside["interval_score"]),
        "held": [int(held.sum()), len(held)] if len(held) else None,
        "images_held": _mean(inside["images_held"]),
        "misses": int((inside["error"] > MISS).sum()) if len(known) else None,
        "needless": int((stopped["error"] <= NEEDLESS).sum()) if gated and len(known) else None,
        "strangers": [int(others["stopped"].sum()), len(others)] if len(others) else None,
        **{name: _mean(rows[name]) for name in ("aurc", "labels", "certified")},
        "advised": [len(gains), len(advised)] if len(advised) else None,
        "gain": _mean(gains),
        "worst_gain": float(gains.min()) if len(gains) else None,
    }


def _mean(values: pd.Series) -> float | None:
    return float(values.astype(np.float64).mean()) if values.notna().any() else None


def bench(methods: Sequence[str] = INCLUDED, entries: str | Path | None = None) -> dict[str, Any]:
    """Run methods on the entries in a folder, by default those that howfar brings; return the scores as JSON values.

    A method is an included one's name, a registered estimator's name, or the path of a Python file, whose code then runs here.
    Raises `HowfarError` for entries or methods that cannot be used, and for an answer of another form than asked for.
    """
    loaded, tables = [load_method(word) for word in methods], read_entries(HERE / "entries" if entries is None else entries)
    names, found = [entry.name for entry in tables], list[dict[str, Any]]()
    for method in loaded:
        sites, strangers = score(method, tables)
        fields = {field: summary(sites, strangers, field) for field in dict.fromkeys(name.partition("-")[0] for name in names)}
        answers = {"answers": plain(sites), "strangers_stopped": plain(strangers)}
        found.append({"method": method.name, **summary(sites, strangers), "by_field": fields, **answers})
    return {"entries": names, "methods": found}


def score(method: Method, entries: Sequence[Entry]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask a method about every site of the entries (see `score_site`), and its gate about every stranger."""
    sites, strangers = list[dict[str, Any]](), list[tuple[str, str, bool]]()
    for entry in entries:
        doing(f"{method.name} on {entry.name}")
        sites += [score_site(method, entry, site) for site in entry.datasets("site")]
        if "gate" in method.functions:
            strangers += [(entry.name, name, not _inside(method, entry, name)) for name in entry.datasets("stranger")]
    table = pd.DataFrame(sites, columns=[*SCORED]).astype(dict.fromkeys(("inside", "held"), object))
    return table, pd.DataFrame(strangers, columns=["entry", "dataset", "stopped"])


SCORED: Final = (
    *("entry", "site", "n", "measured", "mean", "low", "high", "error", "held", "interval_score", "images_held"),
    *("inside", "advised", "gain", "aurc", "labels", "certified"),
)


def score_site(method: Method, entry: Entry, site: str) -> dict[str, Any]:
    """Score a method's answers on one site against the measured performance.

    `interval_score` is width + (2 / α) · what the truth lies outside by, α = 0.1 (Gneiting & Raftery, JASA 102 (2007), equation
    43), `images_held` the share of images whose performance lies in their interval, `advised` and `gain` the expected and the
    true change by predicting by tiles, `labels` those that its certificate needs for ±0.05, `certified` the share of its
    intervals from 8 labels that hold the mean.
    """
    labelled, images, performance = entry.question(site)
    where, known = f"{site} of {entry.name}", np.isfinite(performance)
    truth = float(performance[known].mean())
    found: dict[str, Any] = {"entry": entry.name, "site": site, "n": int(known.sum()), "measured": truth}
    answer = _estimate(method, entry, site)
    if answer is not None:
        found |= {name: answer[name] for name in ("mean", "low", "high") if name in answer}
        found["error"] = abs(answer["mean"] - truth)
        if "low" in answer:
            outside = max(answer["low"] - truth, truth - answer["high"], 0.0)
            found |= {"held": outside <= 1e-9, "interval_score": answer["high"] - answer["low"] + 2 / (1 - LEVEL) * outside}
        if "images_low" in answer:
            held = (answer["images_low"] - 1e-9 <= performance) & (performance <= answer["images_high"] + 1e-9)
            found["images_held"] = float(held[known].mean())
        tiled = _estimate(method, entry, site, "tiled") if site in entry.datasets("site", "tiled") else None
        if tiled is not None:
            found["advised"] = tiled["mean"] - answer["mean"]
            found["gain"] = float(np.nanmean(entry.question(site, "tiled")[2])) - truth
    if "gate" in method.functions:
        found["inside"] = _inside(method, entry, site)
    ranking = None if answer is None else answer["images"]
    if "selector" in method.functions:
        said = method.call("selector", where, labelled, images)
        ranking = None if said is None else as_row(said, f"{method.source}: selector on {where}", length=len(images))
    if ranking is not None:
        found["aurc"] = aurc(ranking[known], performance[known])
    if "certificate" in method.functions and known.sum() >= FEWEST:
        proxy = answer or _estimate(load_method("signals"), entry, site)
        guessed = np.full(len(images), 0.5) if proxy is None else proxy["images"]
        found["labels"], found["certified"] = _certified(method, where, guessed[known], performance[known])
    return found


def _inside(method: Method, entry: Entry, dataset: str) -> bool:
    said = method.call("gate", f"{dataset} of {entry.name}", *entry.question(dataset)[:2])
    if not isinstance(said, (bool, np.bool_)):
        raise InputError.of(f"{method.source}: gate", "must return True or False", said)
    return bool(said)


def _estimate(method: Method, entry: Entry, site: str, maps: str = "whole") -> dict[str, Any] | None:
    """Ask the estimator, and check the form of its answer; None if there is none."""
    labelled, images, _ = entry.question(site, maps)
    where = f"{site} of {entry.name}"
    said = method.call("estimator", where, labelled, images) if "estimator" in method.functions else None
    if said is None:
        return None
    name, answer = f"{method.source}: estimator on {where}", dict(said) if isinstance(said, Mapping) else {"images": said}
    if not {"images"} <= answer.keys() <= set(ANSWERS) or any((f"{of}low" in answer) != (f"{of}high" in answer) for of in ENDS):
        rule = f"must return (m,) values, or a mapping of some of {', '.join(ANSWERS)}"
        raise InputError.of(name, rule, sorted(map(str, answer)))
    for key, values in answer.items():
        many = key.startswith("images")
        row = as_row(values if many else [values], f"{name}: {key}", length=len(images) if many else 1)
        if not ((row >= 0) & (row <= 1)).all():
            raise InputError.of(f"{name}: {key}", "must lie between 0 and 1", float(row[np.argmax(np.abs(row - 0.5))]))
        answer[key] = row if many else float(row[0])
    return {"mean": float(answer["images"].mean()), **answer}


ENDS: Final = ("", "images_")


def _certified(method: Method, where: str, proxy: Float64Array, truth: Float64Array) -> tuple[float, float]:
    """Find the fewest labels of `COUNTS` (else all) whose mean half-width is at most 0.05, and the share that held with 8."""
    name = f"{method.source}: certificate on {where}"
    needed, held, mean = len(truth), 0.0, truth.mean()
    for k in (count for count in COUNTS if count < len(truth)):
        draws = []
        for seed in range(DRAWS):
            asked = set[int]()

            def ask(indices: Any, asked: set[int] = asked, most: int = k) -> Float64Array:
                chosen = np.asarray(indices)
                if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not ((chosen >= 0) & (chosen < len(truth))).all():
                    raise InputError.of("indices", f"must be one row of whole numbers from 0 to {len(truth) - 1}", indices)
                asked.update(chosen.tolist())
                if len(asked) > most:
                    raise InputError.of("indices", f"must be of at most {most} images", len(asked))
                return np.asarray(truth[chosen])

            said = method.call("certificate", where, proxy.copy(), k, ask, seed)
            row = as_row(said, f"{name}: value, low and high", length=3)
            if not row[1] <= row[2]:
                raise InputError.of(name, "must return value, low and high, low at most high", row.tolist())
            draws.append(np.clip(row, 0.0, 1.0))
        _, low, high = np.array(draws).T
        if k == CHECKED:
            held = float(np.mean((low - 1e-9 <= mean) & (mean <= high + 1e-9)))
        if np.mean(high - low) / 2.0 <= HALF + 1e-9:
            needed = min(needed, k)
        if needed < len(truth) and k >= CHECKED:
            break
    return float(needed), held
