"""Runs the bundled command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, Union

from neuron import distribution
from neuron.errors import CommandError, CommandFailed, Interrupted, SkippedInputs, WrongUsage

Word = Union[str, int, float, "os.PathLike[str]"]
Flag = Union[Word, bool, Sequence[Word], None]

DONE, WRONG_USAGE, SKIPPED, INTERRUPTED = 0, 2, 3, 130


@dataclass(frozen=True)
class Finished:
    """A run that did what it was asked for."""

    command: tuple[str, ...]
    """The arguments, without the command itself."""
    exit_code: int
    """0, or 3 if some inputs were skipped."""
    output: str
    """What was written to stdout."""
    messages: str
    """What was written to stderr."""

    @property
    def summary(self) -> Any:
        """What the command said with `json=True`, as Python values."""
        return json.loads(self.output)


def run(command: str, *arguments: Word, **flags: Flag) -> Finished:
    """Runs a command of `neuron`, such as `neuron.run("select-images", data="photos", layer="layer4", out=".")`.

    Progress and messages come to `sys.stderr` as they are written, in a notebook to the cell.

    Args:
        command: Its name, as in `neuron --help`.
        arguments: What has no flag, such as the images of `activations` or `fetch` of `weights`.
        flags: By their names with underscores (`topk_images=50`; `class_=...` for `--class`, which Python reserves).
            `True` switches a flag on, `None` and `False` leave it out, a sequence is joined by commas.

    Raises:
        WrongUsage: if the flags are wrong (exit code 2).
        CommandFailed: if the command fails (1).
        Interrupted: if a signal stopped it (130).
        KeyboardInterrupt: after Ctrl-C. The command has written its checkpoint by then: `resume=True` goes on.
        CommandNotFound: if the wheel is not installed as a whole.

    Warns:
        SkippedInputs: if the command is done, but some inputs could not be used (3).
    """
    # Arguments first: the flags of `weights fetch` are known only after `fetch`.
    line = (command, *(_text(argument) for argument in arguments), *words(**flags))
    exit_code, output, messages = _run(line)
    if exit_code not in (DONE, SKIPPED):
        raise _error(exit_code)(line, exit_code, messages)
    if exit_code == SKIPPED:
        last = messages.strip().rpartition("\n")[2]
        warnings.warn(f"neuron {command} skipped some inputs: {last}", SkippedInputs, stacklevel=2)
    return Finished(line, exit_code, output, messages)


def words(**flags: Flag) -> list[str]:
    """Flags as words of a command line; see `run`."""
    said = []
    for name, value in flags.items():
        flag = "--" + name.strip("_").replace("_", "-")
        if value is True:
            said.append(flag)
        elif value is not None and value is not False:
            said.append(f"{flag}={_text(value)}")
    return said


def _text(value: Word | Sequence[Word]) -> str:
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, (int, float)) or not hasattr(value, "__iter__"):
        return str(value)
    return ",".join(_text(part) for part in value)


def _error(exit_code: int) -> type[CommandError]:
    return {WRONG_USAGE: WrongUsage, INTERRUPTED: Interrupted}.get(exit_code, CommandFailed)


def _run(line: tuple[str, ...]) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of a run."""
    child = subprocess.Popen(
        [os.fspath(distribution.command()), *line],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        # A terminal sends Ctrl-C to a whole session. The command gets it from here alone: a second would end it.
        start_new_session=True,
    )
    assert child.stdout is not None and child.stderr is not None
    messages: list[str] = []
    passing = threading.Thread(target=_pass_on, args=(child.stderr, messages), daemon=True)
    with child:
        passing.start()
        try:
            output = child.stdout.read()
            child.wait()
        except KeyboardInterrupt:
            _stop(child)
            raise
        finally:
            passing.join()
    return child.returncode, output, "".join(messages)


def _pass_on(stream: IO[str], messages: list[str]) -> None:
    for line in stream:
        messages.append(line)
        sys.stderr.write(line)
        sys.stderr.flush()


def _stop(child: subprocess.Popen[str]) -> None:
    """Asks a run to stop and waits for its checkpoint; whoever cannot wait interrupts a second time."""
    child.send_signal(signal.SIGINT)
    try:
        child.wait()
    except KeyboardInterrupt:
        child.kill()
        raise
