"""Runs of the bundled command."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Demo
from PIL import Image

import neuron
from neuron import distribution
from neuron.command import words


def test_the_demo_runs_from_python(demo: Demo) -> None:
    assert demo.finished.exit_code == 0
    assert demo.finished.command[0] == "demo"
    assert demo.finished.summary["command"] == "demo"


def test_package_and_command_have_one_version() -> None:
    assert neuron.run("--version").output.split() == ["neuron", neuron.__version__]


def test_values_become_flags() -> None:
    assert words(topk_images=5, data=Path("a b"), lr=0.5) == ["--topk-images=5", "--data=a b", "--lr=0.5"]
    assert words(channels=[1, "4-7"], class_="cat") == ["--channels=1,4-7", "--class=cat"]
    assert words(json=True, quiet=False, out=None) == ["--json"]


def test_arguments_come_before_flags() -> None:
    finished = neuron.run("weights", "inspect", "--help")
    assert finished.command == ("weights", "inspect", "--help") and "Usage: neuron weights inspect" in finished.output


def test_messages_are_passed_on(demo: Demo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished = neuron.run("atlas", demo.folder, out=tmp_path / "site")
    assert "units: open" in finished.messages
    assert capsys.readouterr().err == finished.messages


def test_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(neuron.WrongUsage, match="unexpected argument '--nonsense'") as wrong:
        neuron.run("demo", nonsense=3)
    assert wrong.value.exit_code == 2
    with pytest.raises(neuron.WrongUsage, match="no_such_network"):
        neuron.run("layers", arch="no_such_network")


def test_failure(tmp_path: Path) -> None:
    with pytest.raises(neuron.CommandFailed, match="missing") as failed:
        neuron.run("atlas", tmp_path / "missing")
    assert failed.value.exit_code == 1
    assert failed.value.command == ("atlas", str(tmp_path / "missing"))
    assert str(failed.value) in failed.value.messages


@pytest.mark.parametrize(
    ("ending", "error", "exit_code"),
    [
        ("exit 1", neuron.CommandFailed, 1),
        ("exit 2", neuron.WrongUsage, 2),
        ("exit 130", neuron.Interrupted, 130),
        ("kill -9 $$", neuron.CommandFailed, -9),
    ],
)
def test_each_exit_code_has_its_error(
    ending: str, error: type[neuron.CommandError], exit_code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "neuron"
    stand_in.write_text(f"#!/bin/sh\necho 'first' >&2\n{ending}\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(distribution, "command", lambda: stand_in)
    with pytest.raises(error, match="^first$") as raised:
        neuron.run("layers")
    assert type(raised.value) is error
    assert raised.value.exit_code == exit_code


def test_a_wheel_without_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "COMMAND", ("no-such-file",))
    with pytest.raises(neuron.CommandNotFound, match="is not there: install the wheel again"):
        neuron.run("layers")


def test_skipped_inputs_are_a_warning(demo: Demo, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        Image.new("RGB", (96, 96), (80 * number, 9, 9)).save(images / f"{number}.png")
    (images / "broken.png").write_bytes(b"no image")
    weights = demo.folder / "demo.safetensors"
    with pytest.warns(neuron.SkippedInputs, match="select-images skipped some inputs"):
        finished = neuron.run(
            "select-images", arch="resnet10_demo", weights=weights, data=images, layer="layer4", out=tmp_path
        )
    assert finished.exit_code == 3
    assert len(neuron.open(tmp_path).layers["layer4"].topk(0)) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGINT to send to another process")
def test_an_interrupted_run_leaves_a_checkpoint(demo: Demo, tmp_path: Path) -> None:
    flags = {
        **{"arch": "resnet10_demo", "weights": str(demo.folder / "demo.safetensors"), "data": str(demo.data)},
        **{"layer": "layer4", "channel": demo.shown, "topk_dir": str(demo.lists), "num_real_img": 6},
        **{"resolution": 64, "jitter": 4, "out": str(tmp_path), "exp_name": "picture"},
    }
    # Whoever runs the tests in the background may have taken this signal from all that they start.
    takes_signals = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{takes_signals}; import neuron; neuron.run('fvis', steps=100000, save_every=1, **{flags!r})"
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as child:
        while child.poll() is None and not (tmp_path / "picture_step1.png").is_file():
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, messages = child.communicate(timeout=60)
    assert "KeyboardInterrupt" in messages
    assert (tmp_path / "picture.checkpoint").is_file(), messages
    with pytest.raises(neuron.UnfinishedResults, match="picture.checkpoint"):
        neuron.open(tmp_path)
