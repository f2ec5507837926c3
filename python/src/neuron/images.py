"""Opens images of the data set and pictures, with Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neuron.errors import DamagedResult, MissingImage, MissingLibrary

if TYPE_CHECKING:
    from PIL.Image import Image

# Between the path of an archive and a name in it.
IN_ARCHIVE = "::"


@dataclass(frozen=True)
class DataSet:
    """Where images lie: a folder, or a text file that lists them, as the scan was given it."""

    place: Path | None

    def open(self, name: str) -> Image:
        """The image of this name, RGB.

        Args:
            name: As tables have it: the path below the folder, or as the list has it.

        Raises:
            MissingImage: if it is not there, cannot be decoded or lies in an archive.
            MissingLibrary: without Pillow.
        """
        path = self._path(name)
        if IN_ARCHIVE in name:
            way_out = "make files of its patches by extract-patches --save-patches"
            raise MissingImage(path, "lies in an archive, which is not read from Python", way_out)
        if not path.is_file():
            raise MissingImage(path, "is not there", 'if the images have moved, neuron.open(..., data="FOLDER")')
        try:
            return decode(path, "RGB")
        except OSError as error:
            raise MissingImage(path, f"cannot be decoded ({error})", "put back the image that was scanned") from error

    def _path(self, name: str) -> Path:
        if self.place is None:
            return Path(name)
        # Whoever is given a list is given paths beside it.
        return (self.place.parent if self.place.is_file() else self.place) / name


def open_result(path: Path, mode: str) -> Image:
    """A picture that a command has written.

    Raises:
        DamagedResult: if it is not there or cannot be decoded.
        MissingLibrary: without Pillow.
    """
    try:
        return decode(path, mode)
    except OSError as error:
        raise DamagedResult(path, error) from error


def decode(path: Path, mode: str) -> Image:
    """An image file in a mode such as RGB."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingLibrary("pillow", "images") from error
    with Image.open(path) as image:
        return image.convert(mode)
