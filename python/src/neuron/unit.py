"""One unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuron import notebook
from neuron.patches import Patches
from neuron.picture import Picture
from neuron.topk import TopImages

if TYPE_CHECKING:
    from neuron.layer import Layer


class Unit:
    """A channel of a layer. A notebook shows its best patches, its picture and its scores."""

    def __init__(self, layer: Layer, channel: int) -> None:
        self.layer = layer
        self.channel = channel

    @property
    def topk(self) -> TopImages:
        """Its images; see `Layer.topk`."""
        return self.layer.topk(self.channel)

    @property
    def patches(self) -> Patches:
        """Its patches; see `Layer.patches`."""
        return self.layer.patches(self.channel)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Its pictures; see `Layer.pictures`."""
        return self.layer.pictures(self.channel)

    def __repr__(self) -> str:
        return f"Unit({self.channel} of {self.layer.name} of {self.layer.arch})"

    def _repr_html_(self) -> str:
        return notebook.html(self)
