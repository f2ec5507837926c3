"""The pictures that `neuron fvis` makes of units."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuron import images

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, repr=False)
class Picture:
    """A picture of one unit, and the record of how it was made."""

    path: Path
    """The record, a JSON file beside the picture."""
    record: dict[str, Any]
    """What it holds; `docs/formats.md` describes it."""

    @property
    def name(self) -> str:
        """The name of its files, without what they end in."""
        return self.path.stem

    @property
    def image(self) -> Image:
        """The picture, RGB."""
        return images.open_result(self.path.with_suffix(".png"), "RGB")

    @property
    def masked(self) -> Image:
        """The picture, RGBA: opaque where it was most relevant to the unit."""
        return images.open_result(self.path.with_name(f"{self.name}_masked.png"), "RGBA")

    @property
    def loss(self) -> NDArray[np.float64]:
        """The total of every step, `[steps]`."""
        return np.asarray(self.record["loss"], dtype=np.float64)

    @property
    def activation(self) -> float:
        """The greatest activation of the unit on the picture."""
        return float(self.record["activation"]["max"]["value"])

    @property
    def ratio(self) -> float:
        """`activation` relative to its mean over the reference images; NaN where that says nothing."""
        ratio = self.record["activation"]["max"]["ratio"]
        return float("nan") if ratio is None else float(ratio)

    def __repr__(self) -> str:
        return f"Picture({self.name}, {self.record['steps']} steps)"
