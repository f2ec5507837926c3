"""What is known of the units of a layer."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neuron import statistics, table
from neuron.columns import Columns
from neuron.errors import FoundTwice, UnknownUnit
from neuron.found import Found, LayerId
from neuron.images import DataSet
from neuron.patches import Patches
from neuron.picture import Picture
from neuron.topk import TopImages
from neuron.unit import Unit

# The patches of a unit's listed images come first: they are there for all units, and of images that tell most.
PATCHES_BY = ("extract-patches", "baseline")
# Tables hold channels as int32.
_LAST_UNIT = 2**31 - 1


class Layer:
    """The results of one layer.

    Nothing but manifests and records is read until it is asked for, and then of one unit only.
    """

    def __init__(self, layer: LayerId, found: Found, data: Path | None) -> None:
        self.arch = layer.arch
        """The architecture."""
        self.name = layer.layer
        """The layer, as `neuron layers` names it."""
        folder = found.lists.get(layer)
        self._table = folder / "topk.parquet" if folder else None
        self._patches = found.patches.get(layer, {})
        self._pictures = found.pictures.get(layer, {})
        recorded = found.data.get(layer)
        usual = None if recorded in (None, "-") else Path(str(recorded))
        self._data_set = DataSet(data or usual)

    @cached_property
    def listed(self) -> NDArray[np.int32]:
        """The units with a list of images, `[units]`, ascending."""
        if self._table is None:
            return np.empty(0, np.int32)
        return np.unique(table.read(self._table, ["channel"])["channel"]).astype(np.int32)

    @cached_property
    def units(self) -> NDArray[np.int32]:
        """All units with results of any kind, `[units]`, ascending."""
        others = np.array([*self._patches, *self._pictures], np.int32)
        return np.union1d(self.listed, others).astype(np.int32)

    def topk(self, unit: int) -> TopImages:
        """The images that excite a unit most, best first.

        Raises:
            UnknownUnit: if it has no list.
        """
        unit = operator.index(unit)
        if self._table is not None and 0 <= unit <= _LAST_UNIT:
            images = TopImages.read(self._table, unit, self._data_set)
            if len(images) > 0:
                return images
        raise self._missing(unit, "list of images", "neuron select-images makes it")

    def patches(self, unit: int, by: str | None = None) -> Patches:
        """The best patches of a unit, best first.

        Args:
            by: The command that found them, `extract-patches` or `baseline`; otherwise the first of these that has.

        Raises:
            UnknownUnit: if that command has found none.
            FoundTwice: if two runs of it have, with results of both in the folder that was opened.
            ValueError: if there is no such command.
        """
        if by is not None and by not in PATCHES_BY:
            raise ValueError(f"by={by!r}: patches are found by {' or '.join(PATCHES_BY)}")
        unit = operator.index(unit)
        folders = self._patches.get(unit, {})
        for command in PATCHES_BY if by is None else (by,):
            if places := folders.get(command):
                if len(places) > 1:
                    raise FoundTwice(places[0], places[1], f"hold patches of unit {unit} of {self.name} by {command}")
                return Patches.read(places[0], self._data_set)
        makers = " or ".join(PATCHES_BY) if by is None else by
        raise self._missing(unit, "patches", f"neuron {makers} finds them")

    def pictures(self, unit: int) -> tuple[Picture, ...]:
        """The pictures of a unit; none if `neuron fvis` has made none."""
        return tuple(self._pictures.get(operator.index(unit), ()))

    def stats(self, first: int = 20) -> Columns:
        """What the results say about each unit in a few numbers; a row for each of `units`.

        Columns: `unit` (int32), `images` (int64, entries of its list), `best`, `median`, `least` (float32, scores of
        the list), `class` (the class most frequent among the `first` images, or `None`) and `class_share` (float64,
        its share of them), `pictures` (int64) and `ratio` (float64, the best of its pictures' ratios). What is not
        known is NaN.
        """
        return statistics.of_units(self.units, self._table, self._pictures, first)

    def __getitem__(self, unit: int) -> Unit:
        """One unit, to look at in a notebook.

        Raises:
            UnknownUnit: if there are no results of it.
        """
        if unit not in self.units:
            raise self._missing(unit, "results", f"there are those of {len(self)} units, see .units")
        return Unit(self, int(unit))

    def __iter__(self) -> Iterator[Unit]:
        return (Unit(self, int(unit)) for unit in self.units)

    def __len__(self) -> int:
        return len(self.units)

    def __repr__(self) -> str:
        return f"Layer({self.name} of {self.arch}, {len(self)} units)"

    def _missing(self, unit: int, what: str, way_out: str) -> UnknownUnit:
        return UnknownUnit(int(unit), self.name, what, way_out)
