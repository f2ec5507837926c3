"""Members of zips."""

from __future__ import annotations

import zipfile
from pathlib import Path

from neuron.archives.names import plain


def read(path: Path, name: str) -> bytes:
    """The bytes of the member `name`.

    Raises:
        KeyError: if there is none.
        OSError: if the file cannot be read, or is no zip.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # Of two of a name, the later one has replaced the earlier.
            for member in reversed(archive.infolist()):
                if plain(_name(member)) == name:
                    return archive.read(member)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise OSError(str(error)) from error
    raise KeyError(name)


def _name(member: zipfile.ZipInfo) -> str:
    """The name in UTF-8, as results have it: without the flag that says so, it is taken for the code page 437."""
    is_utf8 = member.flag_bits & 0x800
    try:
        return member.filename if is_utf8 else member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename
