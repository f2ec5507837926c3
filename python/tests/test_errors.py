"""Each error names the thing and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Demo

import neuron


def test_a_folder_without_results(tmp_path: Path) -> None:
    with pytest.raises(neuron.NoResults, match="holds no results of neuron: pass what was --out"):
        neuron.open(tmp_path)
    with pytest.raises(neuron.NoResults, match="missing is not there"):
        neuron.open(tmp_path / "missing")


def test_a_layer_without_results(demo: Demo) -> None:
    with pytest.raises(neuron.UnknownLayer, match="no results of a layer 'layer9', but of layer4"):
        demo.open().layers["layer9"]


def test_a_unit_without_results(demo: Demo) -> None:
    with pytest.raises(neuron.UnknownUnit, match=r"unit 128 of layer4 has no results: .*128 units, see .units"):
        demo.layer[128]
    with pytest.raises(neuron.UnknownUnit, match="unit 128 of layer4 has no list of images: neuron select-images"):
        demo.layer.topk(128)
    with pytest.raises(neuron.UnknownUnit, match="unit 128 of layer4 has no patches: neuron extract-patches or"):
        demo.layer.patches(128)
    with_picture = demo.shown
    without = next(int(unit) for unit in demo.layer.units if not demo.layer.pictures(int(unit)))
    assert len(demo.layer.patches(with_picture, by="baseline")) > 0
    with pytest.raises(neuron.UnknownUnit, match="has no patches: neuron baseline finds them"):
        demo.layer.patches(without, by="baseline")


def test_lists_without_a_manifest_are_unfinished(demo: Demo, tmp_path: Path) -> None:
    lists = demo.copy(tmp_path / "results") / "neuron_layer4"
    (lists / "manifest.json").unlink()
    results = neuron.open(tmp_path)
    assert [begun.path for begun in results.unfinished] == [lists]
    assert "--resume" in str(results.unfinished[0])
    layer = results.layers["layer4"]
    assert len(layer.listed) == 0
    assert len(layer.patches(73)) > 0
    with pytest.raises(neuron.UnknownUnit, match="no list of images"):
        layer.topk(73)


def test_nothing_but_a_checkpoint(tmp_path: Path) -> None:
    state = tmp_path / "resnet50" / "select-images_layer4.checkpoint"
    state.parent.mkdir()
    state.write_bytes(b"neurscan")
    with pytest.raises(neuron.UnfinishedResults, match=r"select-images_layer4.checkpoint \(run the same command"):
        neuron.open(tmp_path)
    state.rename(state.with_suffix(".shard-2-of-8"))
    with pytest.raises(neuron.UnfinishedResults, match="neuron merge"):
        neuron.open(tmp_path)


def test_a_record_without_its_picture_is_unfinished(demo: Demo, tmp_path: Path) -> None:
    results = demo.copy(tmp_path / "results")
    (record,) = (results / "fvis").glob(f"*unit{demo.shown}.json")
    record.write_text('{"references_are": "images", "finished": false, "steps": 0}')
    opened = neuron.open(results)
    assert [begun.path for begun in opened.unfinished] == [record]
    assert opened.layers["layer4"].pictures(demo.shown) == ()


@pytest.mark.parametrize("wrong", ["", "{", "[]", '{"scan": {}}', '{"scan": {"settings": null}}'])
def test_a_damaged_manifest(demo: Demo, tmp_path: Path, wrong: str) -> None:
    manifest = demo.copy(tmp_path / "results") / "neuron_layer4" / "manifest.json"
    manifest.write_text(wrong)
    said = r"manifest.json cannot be read \(.*\): run .* --overwrite"
    with pytest.warns(neuron.DamagedFiles, match=said):
        results = neuron.open(tmp_path)
    assert [damaged.path for damaged in results.damaged] == [manifest]
    layer = results.layers["layer4"]
    assert len(layer.listed) == 0
    assert len(layer.patches(73)) > 0
    with pytest.raises(neuron.DamagedResult, match=said):
        neuron.open(_alone(manifest))


def _alone(manifest: Path) -> Path:
    """A folder with nothing else of its kind."""
    folder = manifest.parent.parent.parent / "alone"
    folder.mkdir()
    manifest.rename(folder / manifest.name)
    (folder / "topk.parquet").touch()
    return folder


def test_results_of_two_runs(demo: Demo, tmp_path: Path) -> None:
    demo.copy(tmp_path / "one")
    two = demo.copy(tmp_path / "two")
    with pytest.raises(neuron.FoundTwice, match=r"one/.* and .*two/.* both list images for layer4 of resnet10_demo"):
        neuron.open(tmp_path)
    (two / "neuron_layer4" / "topk.parquet").unlink()
    layer = neuron.open(tmp_path).layers["layer4"]
    assert len(layer.topk(73)) > 0
    with pytest.raises(neuron.FoundTwice, match="both hold patches of unit 73 of layer4 by extract-patches"):
        layer.patches(73)


@pytest.mark.parametrize("keep", [0, 4, 1000])
def test_a_damaged_table(demo: Demo, tmp_path: Path, keep: int) -> None:
    table = demo.copy(tmp_path / "results") / "neuron_layer4" / "topk.parquet"
    table.write_bytes(table.read_bytes()[:keep])
    layer = neuron.open(tmp_path).layers["layer4"]
    with pytest.raises(neuron.DamagedResult, match="topk.parquet cannot be read"):
        layer.topk(73)


def test_an_image_that_has_changed(demo: Demo, tmp_path: Path) -> None:
    image = demo.layer.patches(73)["image"][0]
    other = tmp_path / "data" / image
    other.parent.mkdir(parents=True)
    demo.layer.topk(73).image(0).resize((9, 9)).save(other)
    moved = neuron.open(demo.folder, data=tmp_path / "data").layers["layer4"]
    with pytest.raises(neuron.MissingImage, match="has 9 x 9 pixels, where a patch was found in"):
        moved.patches(73).image(0)


def test_units_that_are_none(demo: Demo) -> None:
    for unit in (10**20, -1, 4096):
        with pytest.raises(neuron.UnknownUnit):
            demo.layer.topk(unit)
    with pytest.raises(TypeError):
        demo.layer.topk("73")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="extract-patches or baseline"):
        demo.layer.patches(73, by="fvis")
