"""The same images as files, in a tar, in Parquet and as a saved Hugging Face dataset."""

import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FILE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def files_below(folder: Path) -> dict[str, bytes]:
    """Names and bytes of a demo dataset's images, in natural order."""
    return {file.name: file.read_bytes() for file in sorted((folder / "images").iterdir())}


def tar_bytes(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A tar file of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def image_table(images: Mapping[str, bytes], labels: Sequence[int] | None = None, classes: Sequence[str] = ()) -> pa.Table:
    """Images as Hugging Face's feature Image; labels as its ClassLabel."""
    columns = {"image": pa.array([{"bytes": data, "path": name} for name, data in images.items()], FILE)}
    features = {"image": {"_type": "Image"}}
    if labels is not None:
        columns["label"] = pa.array(labels, pa.int64())
        features["label"] = {"names": list(classes), "_type": "ClassLabel"}
    return pa.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def write_parquet(file: Path, images: Mapping[str, bytes], rows: int = 5) -> Path:
    """Images in a Parquet file, in row groups of a few."""
    pq.write_table(image_table(images), file, row_group_size=rows)
    return file


def write_saved(folder: Path, images: Mapping[str, bytes], shards: int = 2) -> Path:
    """Images as ``Dataset.save_to_disk`` writes them: Arrow streams and their list."""
    folder.mkdir(parents=True)
    table = image_table(images)
    names = [f"data-{shard:05d}-of-{shards:05d}.arrow" for shard in range(shards)]
    step = -(-table.num_rows // shards)
    for shard, name in enumerate(names):
        own = table.slice(shard * step, step)
        with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(own, max_chunksize=4)
    state = {"_data_files": [{"filename": name} for name in names], "_split": None, "_fingerprint": "0"}
    state |= dict.fromkeys(("_format_columns", "_format_type"), None) | {"_format_kwargs": {}, "_output_all_columns": False}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")
    return folder
