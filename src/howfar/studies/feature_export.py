"""Export image features as a Parquet or Lance table, for vector databases."""

from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from howfar import protocols
from howfar.backbones import BackboneArgument, as_backbone
from howfar.data import Dataset, DatasetsArgument
from howfar.data.embedding_files import FORMATS, FeatureTable, check_further_columns, check_target, write_features
from howfar.errors import InputError
from howfar.io.file_location import absolute, ready_file
from howfar.memory import within
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options import DEFAULT_BACKBONE
from howfar.options_by_function import BackboneOptions, EmbedOptions
from howfar.pipeline.embedding import embed_all
from howfar.progress import doing
from howfar.results import Skipped
from howfar.studies.study_inputs import check_names, parse_all


@dataclass(frozen=True)
class FeatureExport:
    """Describe an exported table: its file or folder, the backbone, q as `length`, and each dataset's number of rows."""

    path: Path
    backbone: str
    length: int
    images: dict[str, int]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]


@with_options(EmbedOptions)
def export(
    datasets: DatasetsArgument,
    backbone: BackboneArgument = DEFAULT_BACKBONE,
    *,
    out: str | Path,
    to: str | None = None,
    store: protocols.StoreLike | str | Path | None = None,
    **options: Unpack[EmbedOptions],
) -> FeatureExport:
    """Write the features of datasets as a table with one row per image, readable by faiss, LanceDB, DuckDB and pandas.

    The columns are ``image`` (its name), ``path``, ``dataset``, ``content`` (the hash of its bytes), where datasets have them
    ``mask``, ``label`` and the further columns of their tables, and ``embedding``: q numbers of float32, as `howfar.embed`
    returns them, bit for bit. What the store lacks is embedded first. `howfar.compare` reads such a table as a dataset.

    Parameters
    ----------
    datasets, backbone, store
        As `howfar.embed` takes them; there may be several datasets.
    out
        The file ``NAME.parquet``, or the folder ``NAME.lance``. It appears whole; an earlier export is replaced, and nothing
        else is written over.
    to
        ``parquet`` or ``lance``, by default what `out` ends in.

    Raises
    ------
    HowfarError
        As `howfar.embed`; and where something else lies at `out`, two datasets share a name, one is embeddings already, or
        pylance (``howfar[lance]``) is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.demo import write_dataset
    >>> folder = Path(tempfile.mkdtemp())
    >>> roads = write_dataset(folder / "roads", 3, seed=0, size=64)
    >>> made = export(roads, "colour_moments", out=folder / "roads.parquet", store=folder / "store", progress=False)
    >>> made.images, made.length
    ({'roads': 3}, 6)
    """
    given, loading = checked(EmbedOptions, options), picked(BackboneOptions, options)
    there = absolute(out)
    # An earlier export to Lance is a folder.
    path = there if there.is_dir() else ready_file("out", out) or there
    kind = path.suffix.lower().removeprefix(".") if to is None else to
    if kind not in FORMATS:
        argument, received = ("out", str(out)) if to is None else ("to", to)
        rule = "must end in .parquet or .lance" if to is None else "must be parquet or lance"
        raise InputError.of(argument, rule, received)
    check_target(path, kind)
    with within(given["memory"]):
        read = parse_all(datasets, "dataset")
        parsed = [dataset for dataset in read if isinstance(dataset, Dataset)]
        if len(parsed) < len(read):
            ready = ", ".join(dataset.name for dataset in read if not isinstance(dataset, Dataset))
            remedy = "a table of them is there already"
            raise InputError.of("datasets", "must hold images", f"embeddings: {ready}", remedy)
        check_names(parsed)
        if not parsed:
            raise InputError.of("datasets", "must name at least one dataset", "none")
        check_further_columns(parsed)
        model = as_backbone(backbone, loading)
        how = (given["runner"], given["batch_size"], given["workers"], given["progress"])
        features = [views[0] for views in embed_all(parsed, [model], store, *how)]
        doing("writing the table")
        write_features(FeatureTable(parsed, features), path, kind)
    return FeatureExport(
        path,
        model.name,
        features[0].rows.shape[1],
        {each.name: len(each) for each in features},
        tuple(fault for each in features for fault in each.skipped),
        tuple(dict.fromkeys(note for each in features for note in each.notes)),
    )
