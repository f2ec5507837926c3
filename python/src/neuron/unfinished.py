"""Runs that have begun and not ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Unfinished:
    """What an unfinished run has left."""

    path: Path
    """A folder without a manifest, a record without its picture, a checkpoint, or a shard of a scan."""
    way_out: str
    """What completes it."""

    def __str__(self) -> str:
        return f"{self.path} ({self.way_out})"
