"""An image by the path of its archive and its name there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from neuron.archives import parquet, tar, zip_file

# Between the path of an archive and a name in it.
SEPARATOR = "::"

# What reads a member, by how the names of archives end.
KINDS: dict[str, Callable[[Path, str], bytes]] = {
    ".tar": tar.read,
    ".zip": zip_file.read,
    ".parquet": parquet.read,
}


def is_in_archive(name: str) -> bool:
    """Whether the name of an image leads into an archive."""
    return SEPARATOR in name


@dataclass(frozen=True)
class Member:
    """A member of an archive."""

    archive: Path
    """The file."""
    name: str
    """Its name there; the row, in a Parquet file."""

    @classmethod
    def of(cls, path: Path) -> Member:
        """Takes a path with a separator apart.

        Both sides may have separators of their own: the archive is the first that is there as a file.
        """
        parts = str(path).split(SEPARATOR)
        both = [(Path(SEPARATOR.join(parts[:at])), SEPARATOR.join(parts[at:])) for at in range(1, len(parts))]
        archive, name = next((both for both in both if both[0].is_file()), both[0])
        return cls(archive, name)

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            KeyError: if the archive has no such member.
            OSError, ValueError: if the archive cannot be read, or is of no kind that is known.
        """
        kind = KINDS.get(self.archive.suffix.lower())
        if kind is None:
            raise ValueError(f"an archive ends in {', '.join(KINDS)}")
        return kind(self.archive, self.name)
