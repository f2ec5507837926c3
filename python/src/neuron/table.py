"""Reads Parquet tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from neuron.errors import DamagedResult

Filter = tuple[str, str, int]


def read(path: Path, columns: list[str], *only: Filter) -> dict[str, NDArray[Any]]:
    """Columns of a table, as arrays of shape `[rows]`.

    Args:
        only: Conditions such as `("channel", "==", 3)` that all rows satisfy; row groups that cannot are not read.

    Raises:
        DamagedResult: if the file is no Parquet table or lacks a column.
    """
    # Loaded by whoever reads a table, and by nobody who only runs the command.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=columns, filters=list(only) or None)
        return {name: table.column(name).to_numpy() for name in columns}
    except (pa.ArrowException, KeyError, OSError) as error:
        raise DamagedResult(path, error) from error
