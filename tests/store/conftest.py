from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from howfar.store import FeatureStore


@pytest.fixture
def as_before_checksums() -> Callable[[FeatureStore], FeatureStore]:
    """Write the indexes of features anew as earlier versions did, without checksums."""

    def write(features: FeatureStore) -> FeatureStore:
        folder = features._catalog.folder
        for name in (name for name in folder.names() if name.endswith(".parquet")):
            table = pq.read_table(pa.BufferReader(folder.read(name))).drop_columns(["xxh3"]).replace_schema_metadata(None)
            with folder.appearing(name) as file:
                pq.write_table(table, file)
        return features

    return write
