"""Looks for results in a folder and all below it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neuron.errors import DamagedResult, FoundTwice
from neuron.picture import Picture
from neuron.unfinished import Unfinished

RESUME = "run the same command with --resume"
# Beside the results of a scan; `_units3,7.checkpoint` and the like are those of fvis.
STATE = re.compile(r"\.(checkpoint|shard-\d+-of-\d+)$")
# An atlas holds copies of what it shows.
ATLAS = "atlas.json"


@dataclass(frozen=True)
class LayerId:
    """A layer of an architecture."""

    arch: str
    layer: str


@dataclass
class Found:
    """What lies below a folder, by the layer that it tells of."""

    lists: dict[LayerId, Path] = field(default_factory=dict)
    """Folders with `topk.parquet`."""
    patches: dict[LayerId, dict[int, dict[str, list[Path]]]] = field(default_factory=dict)
    """Folders with `patches.parquet`, by unit and by the command that found them."""
    pictures: dict[LayerId, dict[int, list[Picture]]] = field(default_factory=dict)
    """Finished pictures, by unit."""
    data: dict[LayerId, str | None] = field(default_factory=dict)
    """Where the images of the layer's scans lay, as it was typed."""
    unfinished: list[Unfinished] = field(default_factory=list)
    damaged: list[DamagedResult] = field(default_factory=list)
    """What is wrong with files that are left out."""

    @property
    def layers(self) -> list[LayerId]:
        """All layers, in the order in which they were met."""
        return list(dict.fromkeys([*self.lists, *self.patches, *self.pictures]))

    def rename(self, layer: LayerId, to: LayerId) -> None:
        """Adds what was found of a layer to what was found of another."""
        if layer in self.lists:
            self.add_list(to, self.lists.pop(layer))
        if layer in self.data:
            self.data.setdefault(to, self.data.pop(layer))
        for unit, folders in self.patches.pop(layer, {}).items():
            for command, places in folders.items():
                self.patches_of(to, unit, command).extend(places)
        for unit, pictures in self.pictures.pop(layer, {}).items():
            self.pictures.setdefault(to, {}).setdefault(unit, []).extend(pictures)

    def add_list(self, layer: LayerId, folder: Path) -> None:
        """Adds the lists of a layer, of which there can be those of one scan only.

        Raises:
            FoundTwice: if there are others.
        """
        other = self.lists.setdefault(layer, folder)
        if other != folder:
            raise FoundTwice(other, folder, f"list images for {layer.layer} of {layer.arch}")

    def patches_of(self, layer: LayerId, unit: int, command: str) -> list[Path]:
        """The folders of one unit's patches, to be added to."""
        return self.patches.setdefault(layer, {}).setdefault(unit, {}).setdefault(command, [])


def find(root: Path) -> Found:
    """All results in `root`, but for hidden folders and those of atlases.

    Raises:
        FoundTwice: if two scans list images for the same layer.
    """
    found = Found()
    for folder, names in _folders(root):
        if "topk.parquet" in names:
            _take_scan(found, folder, _take_list)
        if "patches.parquet" in names:
            _take_scan(found, folder, _take_patches)
        for name in names:
            if name.endswith(".json") and f"{name[:-5]}.png" in names:
                _take_picture(found, folder / name)
            elif STATE.search(name):
                way_out = RESUME if name.endswith(".checkpoint") else "join it with the other parts by neuron merge"
                found.unfinished.append(Unfinished(folder / name, way_out))
    return found


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each folder with the names of its files, in the order of names."""
    for folder, below, names in os.walk(root):
        if ATLAS in names:
            below.clear()
            continue
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield Path(folder), sorted(names)


def _take_scan(found: Found, folder: Path, take: Callable[[Found, Path, dict[str, Any]], None]) -> None:
    """Takes the results of a scan, whose manifest is written last."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        found.unfinished.append(Unfinished(folder, RESUME))
        return
    with _reading(found, manifest):
        take(found, folder, json.loads(manifest.read_bytes()))


def _take_list(found: Found, folder: Path, manifest: dict[str, Any]) -> None:
    settings = manifest["scan"]["settings"]
    layer = LayerId(_arch(settings["arch"]), manifest["layer"])
    data = settings["data"]
    found.add_list(layer, folder)
    found.data[layer] = data


def _take_patches(found: Found, folder: Path, manifest: dict[str, Any]) -> None:
    settings = manifest["scan"]["settings"]
    layer = LayerId(_arch(settings["arch"]), settings["layer"])
    channel, command, data = manifest["channel"], manifest["scan"]["command"], settings["data"]
    found.patches_of(layer, channel, command).append(folder)
    found.data.setdefault(layer, data)


def _take_picture(found: Found, path: Path) -> None:
    with _reading(found, path):
        record = json.loads(path.read_bytes())
        if not isinstance(record, dict) or "references_are" not in record:
            return
        if not record["finished"]:
            found.unfinished.append(Unfinished(path, RESUME))
            return
        layer = LayerId(_arch(record["arch"]), record["layer"])
        found.pictures.setdefault(layer, {}).setdefault(record["channel"], []).append(Picture(path, record))


@contextmanager
def _reading(found: Found, path: Path) -> Iterator[None]:
    """A file that holds something else than it should is left out and noted: the others can be shown."""
    try:
        yield
    except KeyError as error:
        found.damaged.append(DamagedResult(path, f"it lacks {error}"))
    except (OSError, TypeError, ValueError) as error:
        found.damaged.append(DamagedResult(path, error))


def _arch(arch: str) -> str:
    """The name of an architecture: that of its file without the ending, where it is an exported network."""
    return Path(arch).stem if arch.endswith((".pt2", ".onnx")) else arch
