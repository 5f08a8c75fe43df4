"""Set every dataset of a run against the labelled ones, so that it is known which estimates may be believed."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.relation.gate import fit, values_by_set, values_of
from howfar.relation.label_free_columns import HISTOGRAM, Columns
from howfar.results.gate import Gate
from howfar.studies.performance.estimates import Home

PIXELS, TILES = "pixels", "tile_agreement"
AS_ITSELF = {"distance": 1.0, "residual": 1.0}
"""What the primary dataset reads of itself, as both are in units of its own."""


def gates_of(columns: Columns, sets: NDArray[np.str_], labelled: Collection[str], home: Home | None) -> tuple[Gate, ...]:
    """Set each dataset against the labelled ones and the primary dataset; a labelled one against the others.

    `columns` holds what is known of the images of a run, with `pixels` and, where tiled maps are known, `tile_agreement`;
    `sets` is each image's dataset.
    """
    values = values_by_set(columns, sets)
    known = fit({"": own_values(home), **{name: values[name] for name in labelled}})
    return tuple(known.without(name).read(name, read) for name, read in values.items())


def own_values(home: Home | None) -> dict[str, float | None]:
    """Read the checks' values of the primary dataset itself, and of its labelled images where there are some."""
    own = {} if home is None else values_of(home.columns)
    return {**{name: value for name, value in own.items() if value is not None}, **AS_ITSELF}


def sizes_at(rows: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Collect the number of pixels of each image, and the agreement of its whole and its tiled map, nan where not known."""
    columns = {name: rows[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in (PIXELS, TILES) if name in rows}
    if PIXELS not in columns and HISTOGRAM in rows:
        counted = [np.sum(counts) if isinstance(counts, (np.ndarray, list)) else np.nan for counts in rows[HISTOGRAM]]
        columns[PIXELS] = np.array(counted, dtype=np.float64)
    return columns
