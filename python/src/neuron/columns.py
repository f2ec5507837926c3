"""Named arrays of one length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuron.errors import MissingLibrary

if TYPE_CHECKING:
    import pandas as pd


class Columns:
    """A table: NumPy arrays of shape `[rows]`, by name.

    Numbers keep the type that they have in the file. Texts are `object` arrays of `str`, with `None` where there is
    none; numbers that may be missing are NaN there.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        self._columns = dict(columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(self._columns)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        """The number of rows."""
        return len(next(iter(self._columns.values()), np.empty(0)))

    def to_pandas(self) -> pd.DataFrame:
        """The table as a data frame, with a row for each row.

        Raises:
            MissingLibrary: without pandas.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingLibrary("pandas", "frames") from error
        return pd.DataFrame(self._columns)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} rows: {', '.join(self._columns)})"
