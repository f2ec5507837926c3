"""The best patches of a unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from neuron import images, table
from neuron.columns import Columns
from neuron.errors import MissingImage
from neuron.images import DataSet

if TYPE_CHECKING:
    from PIL.Image import Image

COLUMNS = [
    *("rank", "image", "x", "y", "size", "score", "image_score"),
    *("source_x", "source_y", "source_width", "source_height", "image_width", "image_height"),
]


class Patches(Columns):
    """Patches of images, best first.

    Columns: `rank` (int32, from 0), `image` (path below the data folder), `x`, `y`, `size` (int32, the patch in pixels
    of the crop that the network sees), `score` (float32), `image_score` (float32, the unit's score for the whole
    image; NaN where no list has it), `source_x`, `source_y`, `source_width`, `source_height` (int32, the patch in
    pixels of the image file) and `image_width`, `image_height` (int32).
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]], folder: Path, data_set: DataSet) -> None:
        super().__init__(columns)
        self.folder = folder
        """Where the command left them."""
        self._data_set = data_set

    @classmethod
    def read(cls, folder: Path, data_set: DataSet) -> Patches:
        """The patches in the folder of one unit."""
        return cls(table.read(folder / "patches.parquet", COLUMNS), folder, data_set)

    def image(self, rank: int) -> Image:
        """The patch at a rank, RGB, cut from its image in the resolution of the file.

        Patches that `--save-patches` wrote are used where they are, in the pixels that the network sees.

        Raises:
            MissingImage: if the image is no longer there, or has another size than it had.
        """
        saved = self.folder / "patches" / f"{rank}.png"
        if saved.is_file():
            return images.open_result(saved, "RGB")
        image = self._data_set.open(self["image"][rank])
        size = (int(self["image_width"][rank]), int(self["image_height"][rank]))
        if image.size != size:
            reason = f"has {image.width} x {image.height} pixels, where a patch was found in {size[0]} x {size[1]}"
            raise MissingImage(Path(self["image"][rank]), reason, "extract the patches again")
        left, top = int(self["source_x"][rank]), int(self["source_y"][rank])
        width, height = int(self["source_width"][rank]), int(self["source_height"][rank])
        return image.crop((left, top, left + width, top + height))

    def images(self) -> Iterator[Image]:
        """All patches, best first, each cut when it is asked for."""
        return (self.image(rank) for rank in range(len(self)))

    def grid(self) -> Image:
        """All patches as one picture, each stretched to its full contrast."""
        return images.open_result(self.folder / "patches.png", "RGB")
