"""What is read beside what the files hold, parsed here in other ways."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import Demo
from PIL import Image

import neuron


def test_layers_and_units_are_those_of_the_manifest(demo: Demo) -> None:
    results = demo.open()
    manifest = json.loads((demo.lists / "manifest.json").read_text())
    assert list(results.layers) == [manifest["layer"]]
    layer = results.layers["layer4"]
    assert layer.arch == "resnet10_demo"
    assert layer.units.dtype == np.int32
    assert layer.units.tolist() == list(range(manifest["channels"]))
    assert [unit.channel for unit in layer] == layer.units.tolist()
    assert results.unfinished == ()


@pytest.mark.parametrize("unit", [0, 73, 127])
def test_the_list_of_a_unit_is_its_file(demo: Demo, unit: int) -> None:
    lines = (demo.lists / str(unit) / "files_all.txt").read_text().splitlines()
    images = demo.layer.topk(unit)
    assert [str(demo.data / name) for name in images["image"]] == lines
    rows = [row for row in pq.read_table(demo.lists / "topk.parquet").to_pylist() if row["channel"] == unit]
    for name in images:
        assert images[name].tolist() == [row[name] for row in rows], name
    assert images["score"].dtype == np.float32
    assert images["y"].dtype == images["rank"].dtype == np.int32
    assert (np.diff(images["score"]) <= 0).all()


def test_patches_are_those_of_the_command_that_is_asked_for(demo: Demo) -> None:
    unit = demo.shown
    for command, folder in {"extract-patches": "", "baseline": "top20"}.items():
        patches = demo.layer.patches(unit, by=command)
        assert patches.folder == demo.lists / str(unit) / folder
        lines = (patches.folder / "topk_files.txt").read_text().splitlines()
        assert [str(demo.data / name) for name in patches["image"]] == lines
        rows = pq.read_table(patches.folder / "patches.parquet").to_pylist()
        for name in patches:
            expected = [row[name] for row in rows]
            assert patches[name].tolist() == expected or name == "image_score", name
    assert demo.layer.patches(unit).folder == demo.lists / str(unit)


def test_a_patch_is_cut_from_its_image(demo: Demo) -> None:
    patches = demo.layer.patches(73)
    row = pq.read_table(demo.lists / "73" / "patches.parquet").to_pylist()[3]
    pixels = np.asarray(Image.open(demo.data / row["image"]).convert("RGB"))
    rows = slice(row["source_y"], row["source_y"] + row["source_height"])
    columns = slice(row["source_x"], row["source_x"] + row["source_width"])
    np.testing.assert_array_equal(np.asarray(patches.image(3)), pixels[rows, columns])
    assert len(list(patches.images())) == len(patches)


def test_saved_patches_are_used_as_they_are(demo: Demo, tmp_path: Path) -> None:
    copied = demo.copy(tmp_path / "results")
    saved = copied / "neuron_layer4" / "73" / "patches"
    saved.mkdir()
    Image.new("RGB", (5, 4), (1, 2, 3)).save(saved / "0.png")
    patch = neuron.open(copied).layers["layer4"].patches(73).image(0)
    assert (patch.size, patch.getpixel((0, 0))) == ((5, 4), (1, 2, 3))


def test_pictures_and_their_records(demo: Demo) -> None:
    unit = demo.shown
    (picture,) = demo.layer.pictures(unit)
    record = json.loads(picture.path.read_text())
    assert picture.record == record
    assert (record["layer"], record["channel"]) == ("layer4", unit)
    assert picture.loss.tolist() == record["loss"] and len(picture.loss) == 20
    assert picture.ratio == record["activation"]["max"]["ratio"]
    assert picture.activation == record["activation"]["max"]["value"]
    for image, file, mode in [(picture.image, "", "RGB"), (picture.masked, "_masked", "RGBA")]:
        expected = Image.open(picture.path.with_name(f"{picture.path.stem}{file}.png"))
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))


def test_stats_are_those_of_the_lists(demo: Demo) -> None:
    stats = demo.layer.stats(first=5)
    assert stats["unit"].tolist() == demo.layer.units.tolist()
    for unit in (0, 73, 127):
        images = demo.layer.topk(unit)
        assert stats["images"][unit] == len(images)
        assert stats["best"][unit] == images["score"].max()
        assert stats["least"][unit] == images["score"].min()
        assert stats["median"][unit] == pytest.approx(np.median(images["score"]), rel=1e-6)
        first = images["class"][:5].tolist()
        assert stats["class_share"][unit] == max(first.count(name) for name in first) / 5
        assert first.count(stats["class"][unit]) == stats["class_share"][unit] * 5
    assert stats["pictures"].sum() == 2
    assert np.isnan(stats["ratio"]).sum() == len(stats) - 2


def test_frames_have_the_columns(demo: Demo) -> None:
    images = demo.layer.topk(73)
    frame = images.to_pandas()
    assert list(frame.columns) == list(images.names)
    assert frame["score"].to_numpy().tolist() == images["score"].tolist()
    assert len(frame) == len(images)


def test_images_that_have_moved(demo: Demo, tmp_path: Path) -> None:
    copied = demo.copy(tmp_path / "results")
    moved = neuron.open(copied, data=tmp_path / "gone").layers["layer4"]
    with pytest.raises(neuron.MissingImage, match=r"gone/.* is not there: .*data="):
        moved.topk(73).image(0)
    there = neuron.open(copied, data=demo.data).layers["layer4"]
    assert there.topk(73).image(0).mode == "RGB"


def test_layers_of_several_architectures_are_told_apart(demo: Demo, tmp_path: Path) -> None:
    for name in ("one", "two"):
        copied = demo.copy(tmp_path / name)
        for file in copied.rglob("*.json"):
            file.write_text(file.read_text().replace('"resnet10_demo"', f'"{name}"'))
    results = neuron.open(tmp_path)
    assert sorted(results.layers) == ["one/layer4", "two/layer4"]
    assert results.layers["two/layer4"].arch == "two"


def test_a_layer_of_two_names_is_one(demo: Demo, tmp_path: Path) -> None:
    results = demo.copy(tmp_path / "results")
    for record in (results / "fvis").glob("*.json"):
        record.write_text(record.read_text().replace('"layer": "layer4"', '"layer": "layer4.0"'))
    opened = neuron.open(results)
    assert list(opened.layers) == ["layer4"]
    layer = opened.layers["layer4"]
    assert layer.pictures(demo.shown)[0].record["layer"] == "layer4.0"
    assert len(layer.topk(demo.shown)) > 0
