"""What can go wrong: each error names the thing and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class NeuronError(Exception):
    """Everything that this package raises on purpose."""


class NoResults(NeuronError):
    """A folder in which no command has left a result."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        is_there = "holds no results of neuron" if folder.is_dir() else "is not there, or no folder"
        super().__init__(
            f"{folder} {is_there}: pass what was --out of select-images, extract-patches, baseline or fvis, "
            "or a folder above it"
        )


class UnfinishedResults(NeuronError):
    """A folder in which runs have begun and none has ended."""

    def __init__(self, folder: Path, places: Iterable[object]) -> None:
        self.folder = folder
        listed = "; ".join(str(place) for place in places)
        super().__init__(f"{folder} holds only unfinished results: {listed}")


class DamagedResult(NeuronError):
    """A file of a result that cannot be read."""

    def __init__(self, path: Path, reason: object) -> None:
        self.path = path
        super().__init__(f"{path} cannot be read ({reason}): run the command that made it again, with --overwrite")


class FoundTwice(NeuronError):
    """Results of two runs where those of one can be shown."""

    def __init__(self, first: Path, second: Path, what: str) -> None:
        self.first = first
        self.second = second
        super().__init__(f"{first} and {second} both {what}: open a folder that holds only one of them")


class UnknownLayer(NeuronError, KeyError):
    """A layer of which there are no results."""

    __str__ = Exception.__str__

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        super().__init__(f"there are no results of a layer {name!r}, but of {', '.join(known)}")


class UnknownUnit(NeuronError, KeyError):
    """A unit of which there are no results of the kind that was asked for."""

    __str__ = Exception.__str__

    def __init__(self, unit: int, layer: str, missing: str, way_out: str) -> None:
        self.unit = unit
        self.layer = layer
        super().__init__(f"unit {unit} of {layer} has no {missing}: {way_out}")


class DamagedFiles(UserWarning):
    """Some files of results cannot be read and are left out; `Results.damaged` lists them."""


class MissingImage(NeuronError, FileNotFoundError):
    """An image of the data set that is not where the results say, or not as they say."""

    def __init__(self, path: Path, reason: str, way_out: str) -> None:
        self.path = path
        super().__init__(f"{path} {reason}: {way_out}")


class MissingLibrary(NeuronError, ImportError):
    """An optional library that is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"this needs {library}: pip install {library}, or the extra [{extra}] of this package")


class CommandNotFound(NeuronError):
    """The command that should have been installed with this package is not there."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}: install the wheel again (pip install --force-reinstall)")


class CommandError(NeuronError):
    """A run of the command that did not end well."""

    def __init__(self, command: tuple[str, ...], exit_code: int, messages: str) -> None:
        self.command = command
        self.exit_code = exit_code
        self.messages = messages
        """What the command wrote to stderr."""
        super().__init__(_reason(messages) or f"neuron {command[0]} ended with code {exit_code} and said nothing")


class CommandFailed(CommandError):
    """Exit code 1, or the signal that ended the command as a negative number."""


class WrongUsage(CommandError):
    """Exit code 2: the flags do not fit one another, the network or the results that are there."""


class Interrupted(CommandError):
    """Exit code 130: stopped by a signal; the same command with `resume=True` goes on."""


class SkippedInputs(UserWarning):
    """Exit code 3: done, but some inputs could not be used; `skipped.tsv` lists them."""


def _reason(messages: str) -> str:
    """The error that a command told last, with all of its lines."""
    _, found, reason = messages.rpartition("error: ")
    return reason.strip() if found else messages.strip()
