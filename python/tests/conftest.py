"""One small demo for all tests, run from Python."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

import neuron


@dataclass(frozen=True)
class Demo:
    """A finished demo."""

    folder: Path
    finished: neuron.Finished

    @property
    def data(self) -> Path:
        return self.folder / "pictures-6"

    @property
    def lists(self) -> Path:
        return self.folder / "resnet10_demo" / "neuron_layer4"

    def open(self) -> neuron.Results:
        return neuron.open(self.folder)

    @property
    def layer(self) -> neuron.Layer:
        return self.open().layers["layer4"]

    @property
    def shown(self) -> int:
        """A unit with a picture."""
        return next(int(unit) for unit in self.layer.units if self.layer.pictures(int(unit)))

    def copy(self, to: Path) -> Path:
        """The results, to be damaged; the images stay where they are."""
        return Path(shutil.copytree(self.folder / "resnet10_demo", to))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    return Demo(folder, neuron.run("demo", out=folder, pictures=6, units=2, steps=20, json=True))
