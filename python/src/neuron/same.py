"""Layers by several names: what `layer4` of a ResNet returns is what its last block, `layer4.2`, returns."""

from __future__ import annotations

import json
import subprocess
from itertools import combinations

from neuron import distribution
from neuron.errors import CommandNotFound
from neuron.found import Found, LayerId


def join(results: Found) -> None:
    """Puts what was found of one layer under several names under the shortest of them.

    The command, which knows the networks, is asked only where one layer may be the last part of another.
    """
    nested = {a.arch for a, b in combinations(results.layers, 2) if a.arch == b.arch and _nested(a.layer, b.layer)}
    for arch in nested:
        for layer, shortest in _shortest_names(arch).items():
            results.rename(LayerId(arch, layer), LayerId(arch, shortest))


def _nested(one: str, other: str) -> bool:
    return one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _shortest_names(arch: str) -> dict[str, str]:
    """The shortest name of each layer that has several; none for a network that the command knows only as a file."""
    try:
        line = [str(distribution.command()), "layers", "--arch", arch, "--json"]
        layers = json.loads(subprocess.run(line, capture_output=True, check=True).stdout)["layers"]
    except (CommandNotFound, subprocess.CalledProcessError):
        return {}
    return {layer["name"]: layer["same_as"] for layer in layers if "same_as" in layer}
