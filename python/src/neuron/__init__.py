"""Reads what the `neuron` command finds out about the units of a vision network, and runs it.

>>> import neuron
>>> neuron.run("demo", out="neuron-demo")           # doctest: +SKIP
>>> results = neuron.open("neuron-demo")            # doctest: +SKIP
>>> layer = results.layers["layer4"]                # doctest: +SKIP
>>> layer.topk(73)["score"][:3]                     # doctest: +SKIP
array([8.451102, 8.328931, 8.252764], dtype=float32)

A *unit* is a channel of a named layer, an *image* a file of the data set, a *picture* something that `neuron` made.
"""

from neuron.columns import Columns
from neuron.command import Finished, run
from neuron.distribution import version
from neuron.errors import (
    CommandError,
    CommandFailed,
    CommandNotFound,
    DamagedFiles,
    DamagedResult,
    FoundTwice,
    Interrupted,
    MissingImage,
    MissingLibrary,
    NeuronError,
    NoResults,
    SkippedInputs,
    UnfinishedResults,
    UnknownLayer,
    UnknownUnit,
    WrongUsage,
)
from neuron.layer import Layer
from neuron.patches import Patches
from neuron.picture import Picture
from neuron.results import Results, open
from neuron.topk import TopImages
from neuron.unfinished import Unfinished
from neuron.unit import Unit

__version__ = version()

__all__ = [
    "Columns",
    "CommandError",
    "CommandFailed",
    "CommandNotFound",
    "DamagedFiles",
    "DamagedResult",
    "Finished",
    "FoundTwice",
    "Interrupted",
    "Layer",
    "MissingImage",
    "MissingLibrary",
    "NeuronError",
    "NoResults",
    "Patches",
    "Picture",
    "Results",
    "SkippedInputs",
    "TopImages",
    "Unfinished",
    "UnfinishedResults",
    "Unit",
    "UnknownLayer",
    "UnknownUnit",
    "WrongUsage",
    "__version__",
    "open",
    "run",
]
