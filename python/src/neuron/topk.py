"""The images that excite a unit most."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from neuron import table
from neuron.columns import Columns
from neuron.images import DataSet

if TYPE_CHECKING:
    from PIL.Image import Image

COLUMNS = ["rank", "image", "index", "class", "score", "y", "x"]


class TopImages(Columns):
    """The images of a unit's list, best first.

    Columns: `rank` (int32, from 0), `image` (path below the data folder), `index` (int32, in the data set's order),
    `class` (name of the class folder, or `None`), `score` (float32, the maximum of the channel's map), and `y`, `x`
    (int32, the cell of the map where it is; -1 for a class or register token).
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]], data_set: DataSet) -> None:
        super().__init__(columns)
        self._data_set = data_set

    @classmethod
    def read(cls, path: Path, unit: int, data_set: DataSet) -> TopImages:
        """The rows of one unit in the table at `path`."""
        return cls(table.read(path, COLUMNS, ("channel", "==", unit)), data_set)

    def image(self, rank: int) -> Image:
        """The image at a rank, RGB, as it is in the data set.

        Raises:
            MissingImage: if it is no longer there.
        """
        return self._data_set.open(self["image"][rank])
