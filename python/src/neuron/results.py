"""All results in a folder."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from neuron import found, same
from neuron.errors import DamagedFiles, DamagedResult, NoResults, UnfinishedResults, UnknownLayer
from neuron.found import Found
from neuron.layer import Layer
from neuron.unfinished import Unfinished


class Layers(Mapping[str, Layer]):
    """Layers by name; `<arch>/<layer>` where several architectures have one of that name.

    A layer with several names (`layer4`, `layer4.2`) has the shortest under which there are results.
    """

    def __init__(self, results: Found, data: Path | None) -> None:
        namesakes = Counter(layer.layer for layer in results.layers)
        self._layers = {
            layer.layer if namesakes[layer.layer] == 1 else f"{layer.arch}/{layer.layer}": Layer(layer, results, data)
            for layer in results.layers
        }

    def __getitem__(self, name: str) -> Layer:
        try:
            return self._layers[name]
        except KeyError:
            raise UnknownLayer(name, self._layers) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        return f"Layers({', '.join(self)})"


class Results:
    """What the commands have found, by layer."""

    def __init__(self, folder: Path, results: Found, data: Path | None) -> None:
        self.folder = folder
        self.layers = Layers(results, data)
        self.unfinished: tuple[Unfinished, ...] = tuple(results.unfinished)
        """Runs that have begun and not ended; of these, nothing is shown."""
        self.damaged: tuple[DamagedResult, ...] = tuple(results.damaged)
        """Files that cannot be read; of these, nothing is shown."""

    def __repr__(self) -> str:
        kinds = {"unfinished": len(self.unfinished), "damaged": len(self.damaged)}
        others = "".join(f", {count} {kind}" for kind, count in kinds.items() if count > 0)
        return f"Results({self.folder}: {', '.join(self.layers)}{others})"


def open(folder: str | os.PathLike[str], data: str | os.PathLike[str] | None = None) -> Results:
    """Opens all results in a folder and below it.

    Args:
        folder: What was `--out` of `select-images`, `extract-patches`, `baseline` or `fvis`, or a folder above it.
        data: Where the images are, if they have moved, or if the scan was given a path relative to another folder.

    Raises:
        NoResults: if there are none.
        UnfinishedResults: if there are none but those of runs that have not ended.
        DamagedResult: if there are none but what cannot be read.
        FoundTwice: if two scans list images for the same layer.

    Warns:
        DamagedFiles: if a manifest or record cannot be read; what it tells of is left out.
    """
    place = Path(folder)
    results = found.find(place)
    if not results.layers:
        if results.damaged:
            raise results.damaged[0]
        if results.unfinished:
            raise UnfinishedResults(place, results.unfinished)
        raise NoResults(place)
    same.join(results)
    if results.damaged:
        more = f" (and {len(results.damaged) - 1} more, see .damaged)" if len(results.damaged) > 1 else ""
        warnings.warn(f"{results.damaged[0]}{more}", DamagedFiles, stacklevel=2)
    return Results(place, results, None if data is None else Path(data))
