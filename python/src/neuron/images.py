"""Opens images of the data set and pictures, with Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from neuron.archives import Member, is_in_archive
from neuron.errors import DamagedResult, MissingImage, MissingLibrary

if TYPE_CHECKING:
    from PIL.Image import Image

MOVED = 'if the images have moved, neuron.open(..., data="FOLDER")'
CHANGED = "put back the image that was scanned"


@dataclass(frozen=True)
class DataSet:
    """Where images lie: a folder, archives, or a text file that lists them, as the scan was given it."""

    place: Path | None

    def open(self, name: str) -> Image:
        """The image of this name, RGB.

        Args:
            name: As tables have it: the path below the folder, or as the list has it; for a member of an archive, that
                of the archive, `::`, and its name there.

        Raises:
            MissingImage: if it is not there or cannot be decoded.
            MissingLibrary: without Pillow.
        """
        path = self._folder() / name
        member = Member.of(path) if is_in_archive(name) and not path.is_file() else None
        if not (member.archive if member else path).is_file():
            raise MissingImage(path, "is not there", MOVED)
        try:
            return decode(BytesIO(member.read()) if member else path, "RGB")
        except KeyError as error:
            raise MissingImage(path, "is not in its archive any more", CHANGED) from error
        except (OSError, ValueError) as error:
            raise MissingImage(path, f"cannot be decoded ({error})", CHANGED) from error

    def _folder(self) -> Path:
        """The folder that names start from."""
        if self.place is None:
            return Path()
        # Whoever is given a list is given paths beside it, and archives are named beside one another.
        if self.place.is_file():
            return self.place.parent
        # A pattern of archives, `d/shard-{000..127}.tar`: the last folder before a brace.
        whole = [place for place in (self.place, *self.place.parents) if "{" not in str(place)]
        return self.place if self.place.is_dir() else whole[0]


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


def decode(file: Path | BytesIO, mode: str) -> Image:
    """An image file, or its bytes, in a mode such as RGB."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingLibrary("pillow", "images") from error
    with Image.open(file) as image:
        return image.convert(mode)
