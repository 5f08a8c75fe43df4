"""Write Python code that reproduces a result from its recorded datasets, backbone and settings."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from howfar.options_by_function import TrainingOptions
from howfar.results import Comparison, Relation
from howfar.results.adaptation_result import Adaptation
from howfar.results.backbones_result import BackboneComparison
from howfar.results.matrix_result import Matrix

UNKNOWN = "<where {} is>"
PERFORMANCES = "<the files of performances>"
NOT_RECORDED = (
    "# The options of the backbone (weights, fit, via and so on) are not recorded in this result,\n"
    "# so that no call can be shown here that surely measures the same again."
)
READY = "embeddings"


def rerun(comparison: Comparison, relation: Relation | None = None) -> str:
    """Write Python that repeats a comparison, and relates its performances; a gap stands for what was in memory alone."""
    options = _options(comparison)
    if options is None:
        return NOT_RECORDED
    backbone = {"backbone": options.pop("name")} if options else {}
    text = _compare("comparison = howfar.compare(", comparison, backbone | _settings(comparison) | options)
    if relation is None:
        return text
    chosen = asdict(relation.settings)
    files, source = chosen.pop("performance"), chosen.pop("threshold_source")
    if files and source != "given":
        del chosen["threshold"]  # it is found among the performances again
    # If the requested estimator is unknown, the call names the one that was used.
    chosen["estimator"] = chosen["estimator"] or relation.estimator or "auto"
    return f"{text}\n{_call('relation = howfar.relate(', ['comparison', repr(list(files) or [PERFORMANCES])], chosen, ())}"


def rerun_backbones(result: BackboneComparison) -> str:
    """Write Python that repeats a comparison by several backbones."""
    every = [_options(comparison) for comparison in result.comparisons]
    recorded = [dict(options) for options in every if options]
    if len(recorded) < len(every):
        return NOT_RECORDED
    names = [options.pop("name") for options in recorded]
    weights = {name: options.pop("weights") for name, options in zip(names, recorded, strict=True) if "weights" in options}
    shared = {option: value for options in recorded for option, value in options.items()}
    given = {"backbones": names} | ({"weights": weights} if weights else {})
    first = result.comparisons[0]
    return _compare("found = howfar.compare_backbones(", first, given | _settings(first) | shared)


def rerun_matrix(matrix: Matrix) -> str:
    """Write Python that repeats a matrix of distances."""
    options = _options(matrix)
    if options is None:
        return NOT_RECORDED
    chosen = ("components", "projection", "scale", "seed", "bootstrap", "limit")
    backbone = {"backbone": options.pop("name")} if options else {}
    given = backbone | {name: getattr(matrix.settings, name) for name in chosen} | options
    sources = {dataset.name: dataset.source for dataset in matrix.datasets}
    return _call("found = howfar.matrix(", [_mapping(matrix.names, sources)], given)


def argument(name: str, sources: Mapping[str, str]) -> str:
    """Write the argument that reads a dataset from its path under its name, or a placeholder for an unknown path."""
    source = sources.get(name) or UNKNOWN.format(name)
    # An equals sign ends the name in NAME=PATH, and so do spaces around it.
    named = "=" not in name and name == name.strip()
    return repr(f"{name}={source}") if named else f"howfar.Dataset.from_folder({source!r}, name={name!r})"


def _options(result: Comparison | Matrix) -> dict[str, Any] | None:
    """Return the backbone's loading options: {} for ready-made embeddings, None if not recorded."""
    options = dict(result.options)
    return options if "name" in options or result.backbone.name == READY else None


def _settings(comparison: Comparison) -> dict[str, Any]:
    """Return the settings for `howfar.compare`, with ``baselines`` if the trivial backbones were left out."""
    ready = comparison.backbone.name == READY
    return asdict(comparison.settings) | ({} if comparison.baselines or ready else {"baselines": False})


def _compare(call: str, comparison: Comparison, given: Mapping[str, Any]) -> str:
    primary = argument(comparison.primary.name, comparison.sources)
    secondaries = _mapping((dataset.name for dataset in comparison.datasets), comparison.sources)
    return _call(call, [primary, secondaries], given)


def _mapping(names: Iterable[str], sources: Mapping[str, str]) -> str:
    return _block("{}", (f"{name!r}: {sources.get(name) or UNKNOWN.format(name)!r}" for name in names))


def _block(brackets: str, items: Iterable[str]) -> str:
    return "\n".join([brackets[0], *(f"        {item}," for item in items), f"    {brackets[1]}"])


def _call(start: str, arguments: Iterable[str], given: Mapping[str, Any], before: Iterable[str] = ("import howfar", "")) -> str:
    every = (*arguments, *(f"{name}={value!r}" for name, value in given.items()))
    return "\n".join([*before, start, *(f"    {argument}," for argument in every), ")"])


OUT = "adaptation-again"


def rerun_adaptation(adaptation: Adaptation) -> str:
    """Write Python that repeats the study, in a new folder in the working directory, with gaps for what is not recorded."""
    chosen = dict(adaptation.settings)
    options, training = chosen.pop("options", {}), dict(chosen.pop("training", {}))
    training = {name: value for name, value in training.items() if name in TrainingOptions.__annotations__}
    source = partial(argument, sources=adaptation.sources)
    arguments = [source(adaptation.primary), _block("[]", map(source, adaptation.secondaries)), repr(adaptation.segmenter)]
    arguments += [f"background={source(adaptation.background)}"] if adaptation.background is not None else []
    arguments += [f"blind={_block('[]', map(source, adaptation.blind))}"] if adaptation.blind else []
    given = {"out": OUT, **chosen, **({"options": dict(options)} if options else {}), **training}
    return _call("adaptation = howfar.adapt(", arguments, given)
