"""A few numbers about each unit of a layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuron import table
from neuron.columns import Columns
from neuron.picture import Picture


def of_units(
    units: NDArray[np.int32],
    lists: Path | None,
    pictures: Mapping[int, Sequence[Picture]],
    first: int,
) -> Columns:
    """A row for each unit; `Layer.stats` describes the columns."""
    rows: dict[str, NDArray[Any]] = {
        "unit": units,
        "images": np.zeros(len(units), np.int64),
        **{name: np.full(len(units), np.nan, np.float32) for name in ("best", "median", "least")},
        "class": np.full(len(units), None, object),
        "class_share": np.full(len(units), np.nan),
        "pictures": np.array([len(pictures.get(int(unit), ())) for unit in units], np.int64),
        "ratio": np.array([_best_ratio(pictures.get(int(unit), ())) for unit in units], np.float64),
    }
    if lists is not None:
        _add_scores(rows, lists)
        _add_classes(rows, lists, first)
    return Columns(rows)


def _add_scores(rows: dict[str, NDArray[Any]], lists: Path) -> None:
    listed = table.read(lists, ["channel", "score"])
    scores = listed["score"]
    for unit, start, end in _runs(listed["channel"]):
        at = np.searchsorted(rows["unit"], unit)
        rows["images"][at] = end - start
        rows["best"][at], rows["least"][at] = scores[start], scores[end - 1]
        # In order already: the middle is known.
        middle = scores[[(start + end - 1) // 2, (start + end) // 2]]
        rows["median"][at] = middle.mean()


def _add_classes(rows: dict[str, NDArray[Any]], lists: Path, first: int) -> None:
    listed = table.read(lists, ["channel", "class"], ("rank", "<", first))
    for unit, start, end in _runs(listed["channel"]):
        named = Counter(name for name in listed["class"][start:end] if name is not None)
        if named:
            # On ties the class of the better image.
            name, count = named.most_common(1)[0]
            at = np.searchsorted(rows["unit"], unit)
            rows["class"][at], rows["class_share"][at] = name, count / (end - start)


def _runs(channels: NDArray[np.int32]) -> list[tuple[int, int, int]]:
    """Each channel with the first and the end of its rows, which are neighbours."""
    starts = np.flatnonzero(np.diff(channels, prepend=-1))
    ends = [*starts[1:], len(channels)]
    return [(int(channels[start]), int(start), int(end)) for start, end in zip(starts, ends)]


def _best_ratio(pictures: Sequence[Picture]) -> float:
    ratios = [picture.ratio for picture in pictures if not np.isnan(picture.ratio)]
    return max(ratios, default=float("nan"))
