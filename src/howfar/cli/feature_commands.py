"""Compute features into the store, export them, and maintain the store (`howfar embed`, `export`, `store`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Unpack

import typer

from howfar.cli import flags
from howfar.cli.flags import argument, switch, value
from howfar.cli.printing import SHOWN, answer, console, print_json, print_table, say
from howfar.errors import InputError
from howfar.formatting_and_escaping import size_text
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import StoredEmbedOptions

if TYPE_CHECKING:
    from howfar.results import Skipped
    from howfar.store import StoreCheck, StorePrune, StoreRepair, StoreSize
    from howfar.store.integrity import Damage
    from howfar.store.inventory_and_pruning import FeatureSize, LeftFeature


@flags.command(StoredEmbedOptions)
def embed(
    datasets: Annotated[list[str], argument("DATASET", flags.DATASET)],
    backbone: flags.Backbone = DEFAULT_BACKBONE,
    json: flags.Json = False,
    **chosen: Unpack[StoredEmbedOptions],
) -> None:
    """Compute the features of every DATASET and keep them in the store, where `compare` finds them."""
    from howfar.backbones import as_backbone
    from howfar.data import Dataset
    from howfar.memory import within
    from howfar.option_checks_and_signatures import checked, picked
    from howfar.options_by_function import BackboneOptions
    from howfar.pipeline.embedding import embed_all
    from howfar.store import Store
    from howfar.studies.study_inputs import parse_all

    given = checked(StoredEmbedOptions, chosen)
    with within(given["memory"]):
        parsed = parse_all(datasets, "dataset")
        if ready := [dataset.name for dataset in parsed if not isinstance(dataset, Dataset)]:
            remedy = "compare takes embeddings as they are"
            raise InputError.of("datasets", "must hold images", f"embeddings: {', '.join(ready)}", remedy)
        model = as_backbone(backbone, picked(BackboneOptions, chosen))
        store = Store(str(chosen["store"]) if "store" in chosen else None)
        how = (given["runner"], given["batch_size"], given["workers"])
        features = [views[0] for views in embed_all(parsed, [model], store, *how)]
    notes = list(dict.fromkeys(note for dataset in features for note in dataset.notes))
    if json:
        rows = [{"name": dataset.name, "n": len(dataset), "length": dataset.rows.shape[1]} for dataset in features]
        skipped = [asdict(file) for dataset in features for file in dataset.skipped]
        print_json({"backbone": model.name, "store": str(store.root), "datasets": rows, "skipped": skipped, "notes": notes})
        return
    for dataset in features:
        say(f"{dataset.name}: {len(dataset)} images x {dataset.rows.shape[1]:,} features in {store.root}")
        _say_rest(dataset.skipped, ())
    _say_rest((), notes)


def _say_rest(skipped: Sequence[Skipped], notes: Sequence[str]) -> None:
    for line in (*(f"skipped: {file.path}: {file.reason}" for file in skipped), *notes):
        say(line)


@flags.command(StoredEmbedOptions)
def export(
    datasets: Annotated[list[str], argument("DATASET", flags.DATASET)],
    out: Annotated[Path, value("PATH", "Write this .parquet file or .lance folder.", "--out", "-o")],
    to: Annotated[Literal["parquet", "lance"] | None, typer.Option(help="Write this format; by default PATH's ending.")] = None,
    backbone: flags.Backbone = DEFAULT_BACKBONE,
    json: flags.Json = False,
    **chosen: Unpack[StoredEmbedOptions],
) -> None:
    """Write the features of every DATASET as a table, Parquet or Lance, that vector tools read; embed what is not stored."""
    from howfar.studies.feature_export import export as study

    made = study(datasets, backbone, out=out, to=to, **chosen)
    if json:
        print_json({**asdict(made), "path": str(made.path)})
        return
    for name, count in made.images.items():
        say(f"{name}: {count} images x {made.length:,} features in {made.path}")
    _say_rest(made.skipped, made.notes)


Action = Literal["check", "repair", "size", "prune"]
_ACTION = (
    "check: list what is damaged, change nothing. repair: drop what is damaged, give old rows checksums, merge small files. "
    "size: bytes and images of each feature. prune: remove features, and say which."
)
NAMED = 3
"""Image files named for each damaged file; --json names all."""


def store(
    action: Annotated[Action, argument("ACTION", _ACTION)],
    folder: Annotated[str | None, argument("STORE", "Folder or URL; by default HOWFAR_STORE or the user's cache.")] = None,
    feature: Annotated[list[str] | None, value("NAME", "Take only this backbone, or folder in STORE; repeat it.")] = None,
    older_than: Annotated[float | None, value("DAYS", "Prune what no run has opened for so many days.")] = None,
    max_size: Annotated[str | None, value("SIZE", "Prune the least recently used until STORE fits: 20GB.")] = None,
    dry_run: Annotated[bool, switch("--dry-run", "Say what prune would remove, and remove nothing.")] = False,
    json: flags.Json = False,
) -> None:
    """Check or repair the store of features, show its size, or remove features.

    Exit code 0; 1 where check finds damage.
    """
    from howfar import store as stores

    for option, given in (("older_than", older_than is not None), ("max_size", max_size is not None), ("dry_run", dry_run)):
        if given and action != "prune":
            raise InputError.of(option, f"is of no use to {action}: howfar store prune takes it")
    names = feature or ()
    if action == "check":
        found = stores.check(folder, names)
        answer(found, json, _show_check)
        if not found.sound:
            raise typer.Exit(1)
    elif action == "repair":
        answer(stores.repair(folder, names), json, _show_repair)
    elif action == "size":
        sizes = stores.size(folder, names)
        answer(sizes, json, _show_sizes, sizes.features, f", {size_text(sizes.bytes)}")
    else:
        # Show what will be removed before removing it.
        gone = stores.prune(folder, names, older_than=older_than, max_size=max_size, dry_run=dry_run or not json)
        answer(gone, json, _show_sizes, gone.removed, f" to remove, {size_text(gone.freed)}", gone.left)
        if not json and not dry_run and gone.removed:
            gone = stores.prune(folder, names, older_than=older_than, max_size=max_size)
            _show_left([(each.feature, each.reason) for each in gone.left])
            console().print(f"removed {_count(len(gone.removed), 'feature')}, {size_text(gone.freed)} freed")


def _show_features(store: str, more: str, header: Sequence[str], rows: Sequence[tuple[str | int, ...]]) -> None:
    """Print how many features of a store a table lists, and the table."""
    to = console()
    to.print(f"{store}: {_count(len(rows), 'feature')}{more}", style="bold")
    if rows:
        cells = [[cell if isinstance(cell, str) else f"{cell:,}" for cell in row] for row in rows]
        print_table(to, header, cells, optional=("of it sums", "type"))


def _show_check(found: StoreCheck) -> None:
    rows = [(each.feature, each.images, each.shards, each.without_checksum, each.leftovers) for each in found.features]
    _show_features(found.store, "", ("feature", "images", "shards", "without checksum", "left by killed writers"), rows)
    _show_damage(found.damage, "damaged")
    remedy = f"{_count(len(found.damage), 'damaged file')}: howfar store repair {found.store}"
    say(remedy if found.damage else "nothing is damaged")


def _show_repair(done: StoreRepair) -> None:
    rows = [(each.feature, len(each.dropped), each.checksums_added, each.merged) for each in done.features]
    _show_features(done.store, "", ("feature", "damaged", "checksums added", "shards merged"), rows)
    _show_damage([damage for each in done.features for damage in each.dropped], "dropped")
    _show_left([(each.feature, each.left) for each in done.features if each.left])


def _show_sizes(
    found: StoreSize | StorePrune, features: Sequence[FeatureSize], more: str, left: Sequence[LeftFeature] = ()
) -> None:
    rows = [
        (each.feature, each.length, each.dtype, each.images, size_text(each.bytes), size_text(each.sums_bytes),
         each.used.replace("T", " ")[:16])
        for each in features
    ]  # fmt: skip
    _show_features(found.store, more, ("feature", "q", "type", "images", "size", "of it sums", "last used"), rows)
    _show_left([(each.feature, each.reason) for each in left])


def _show_left(left: Sequence[tuple[str, str]]) -> None:
    for feature, reason in left:
        say(f"left: {feature}: {reason}")


def _show_damage(damage: Sequence[Damage], word: str) -> None:
    to = console()
    for each in damage[:SHOWN]:
        images = "" if each.images == 0 else f"; {'its images' if each.images is None else _count(each.images, 'image')}"
        lost = f"{images} will be embedded anew" if images else ""
        named = ", ".join(each.paths[:NAMED]) + (" …" if len(each.paths) > NAMED else "")
        say(f"{word}: {each.feature}/{each.file}: {each.reason}{lost}{f' ({named})' if named else ''}")
    if len(damage) > SHOWN:
        to.print(f"{word}: {len(damage) - SHOWN} more; --json lists them")


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
