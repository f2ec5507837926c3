"""What was installed: its version, and where its command lies."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from neuron.errors import CommandNotFound

# Provisional, as nothing is published yet; `pyproject.toml` has the same.
NAME = "neuron-units"
COMMAND = ("neuron", "neuron.exe")


def version() -> str:
    """The version of the package and of the command in it."""
    return metadata.version(NAME)


def command() -> Path:
    """The command that was installed with this package, whatever else is on the path.

    Raises:
        CommandNotFound: if it is not there.
    """
    files = metadata.files(NAME) or []
    # The modules of the package lie in a folder of the same name, but no file among them has it.
    named = [Path(str(file.locate())) for file in files if file.name in COMMAND]
    there = [path.resolve() for path in named if path.is_file()]
    if not there:
        where = f" at {named[0]}" if named else ""
        raise CommandNotFound(f"the neuron command of {NAME} is not there{where}")
    return there[0]
