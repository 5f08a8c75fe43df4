"""The Python call that gives a result again, from what the result records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from howfar.data.containers import KINDS
from howfar.io.location import Url, is_url
from howfar.relation.model_selection import worth_using
from howfar.results import Comparison, Relation

UNKNOWN = "<where {} is>"
PERFORMANCES = "<the files of performances>"


def rerun(comparison: Comparison, relation: Relation | None = None) -> str:
    """Lines of Python that measure the same datasets with the same settings, and relate their performances.

    A dataset's folder, or container, is what its images' paths have in common before their names; where the result does not
    tell it (a table of files, ready-made embeddings), an angle-bracketed gap stands for it, as for the files of performances.
    """
    primary = comparison.primary.name
    own = comparison.primary_images.drop_duplicates(["image", "path"])
    place = folder(own["path"], own["image"], primary)
    by_name = dict(tuple(comparison.images.groupby("dataset", sort=False)))
    known = place != UNKNOWN.format(primary) and is_local_folder(place)
    first = f"    howfar.Dataset.from_folder({place!r}, name={primary!r})," if known else f"    {f'{primary}={place}'!r},"
    lines = ["import howfar", "", "comparison = howfar.compare(", first, "    {"]
    for dataset in comparison.datasets:
        images = by_name[dataset.name]
        lines.append(f"        {dataset.name!r}: {folder(images['path'], images['image'], dataset.name)!r},")
    lines.append("    },")
    if comparison.backbone.name != "embeddings":
        lines.append(f"    backbone={comparison.backbone.name!r},")
    lines += [f"    {key}={value!r}," for key, value in asdict(comparison.settings).items()]
    return "\n".join([*lines, ")", *(() if relation is None else _related(relation))])


def is_local_folder(place: str) -> bool:
    """Whether `Dataset.from_folder` reads it; what is a container or lies behind a URL, `howfar.data.parse` does.

    Examples
    --------
    >>> is_local_folder("/data/roads"), is_local_folder("/data/roads.tar"), is_local_folder("s3://data/roads")
    (True, False, False)
    """
    return Url(place).suffix.lower() not in KINDS and not is_url(place)


def _related(relation: Relation) -> list[str]:
    """The call of relate; a threshold found among the performances is given, and an estimator that is not the best."""
    chosen = {key: value for key, value in asdict(relation.settings).items() if key != "threshold_source"}
    first = worth_using(relation.judgements, relation.choices)
    if first is not None and first != relation.estimator:
        chosen["estimator"] = relation.estimator
    lines = ["relation = howfar.relate(", "    comparison,", f"    {[PERFORMANCES]!r},"]
    return [*lines, *(f"    {key}={value!r}," for key, value in chosen.items()), ")"]


def folder(paths: Iterable[str], names: Iterable[str], dataset: str) -> str:
    """The one folder or container below which images of these names lie at these paths; a gap to fill where there is none.

    Examples
    --------
    >>> folder(["/d/roads/a.png", "/d/roads/wet/b.png"], ["a.png", "wet/b.png"], "roads")
    '/d/roads'
    >>> folder(["s3://d/roads.tar/a.png"], ["a.png"], "roads"), folder(["", ""], ["a", "b"], "roads")
    ('s3://d/roads.tar', '<where roads is>')
    """
    found = {_above(path, name) for path, name in zip(paths, names, strict=True)}
    place = found.pop() if len(found) == 1 else None
    return place or UNKNOWN.format(dataset)


def _above(path: str, name: str) -> str | None:
    """What an image's path has before its name; of a row of a table of images, which has a number for a path, the table."""
    if path.endswith(f"/{name}"):
        return path[: -len(name) - 1]
    table = path.rpartition("/")[0]
    return table if Url(table).suffix.lower() in KINDS else None
