"""Members of tars, and of tars in tars."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from neuron.archives.names import plain

# Tars whose members are remembered: finding them takes a walk through the whole file, and an image of a list is often
# followed by others of the same.
REMEMBERED = 8


def read(path: Path, name: str) -> bytes:
    """The bytes of the member `name`; of one in an inner tar, `inner.tar/name`.

    Raises:
        KeyError: if there is none.
        OSError: if the file cannot be read, or is no tar.
    """
    about = path.stat()
    start, size = _members(path, about.st_mtime_ns, about.st_size)[name]
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


@lru_cache(maxsize=REMEMBERED)
def _members(path: Path, _mtime_ns: int, _bytes: int) -> dict[str, tuple[int, int]]:
    """Where the bytes of each member begin and how many there are; of two of a name, the first."""
    members: dict[str, tuple[int, int]] = {}
    try:
        with path.open("rb") as file:
            for name, start, size in _walk(file, 0):
                members.setdefault(name, (start, size))
                if name.lower().endswith(".tar"):
                    # One that is damaged does not take the others with it.
                    with suppress(tarfile.TarError):
                        for inner, begins, bytes_ in _walk(file, start):
                            members.setdefault(f"{name}/{inner}", (begins, bytes_))
    except tarfile.TarError as error:
        # What comes before damage has been read, by the command as well.
        if not members:
            raise OSError(f"it is no tar: {error}") from error
    return members


def _walk(file: BinaryIO, start: int) -> Iterator[tuple[str, int, int]]:
    """The files of the tar that begins at `start`: name, first byte in `file`, bytes."""
    file.seek(start)
    # It seeks before it reads on, so that an inner walk may use `file` in between.
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            if member.isreg() and not member.issparse():
                yield plain(member.name), member.offset_data, member.size
