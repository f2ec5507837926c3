"""What `neuron export` writes, read as other tools read it: by the file names, types and shapes that they document."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import Demo
from PIL import Image

import neuron


def export(demo: Demo, form: str, out: Path, **flags: int) -> Path:
    neuron.run("export", demo.lists, format=form, out=out, **flags)
    return out


@pytest.fixture(scope="module")
def milan(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(demo, "milan", tmp_path_factory.mktemp("milan")) / "layer4"


def test_milan_exemplars_have_the_shapes_of_its_data_set(milan: Path) -> None:
    images, masks, units = (np.load(milan / f"{name}.npy") for name in ("images", "masks", "units"))
    assert (images.dtype, images.shape) == (np.uint8, (128, 15, 3, 96, 96))
    assert (masks.dtype, masks.shape) == (np.uint8, (128, 15, 1, 96, 96))
    assert units.tolist() == list(range(128))
    assert set(np.unique(masks)) == {0, 1}


def test_milan_images_are_the_crops_that_the_network_sees(demo: Demo, milan: Path) -> None:
    images = np.load(milan / "images.npy")
    resize, crop = 108, 96
    for unit, rank in [(73, 0), (5, 14)]:
        image = demo.layer.topk(unit).image(rank)
        width, height = (int(resize * side / min(image.size)) for side in image.size)
        left, top = round((width - crop) / 2), round((height - crop) / 2)
        resized = image.resize((width, height), Image.Resampling.BILINEAR)
        expected = resized.crop((left, top, left + crop, top + crop))
        np.testing.assert_array_equal(images[unit, rank].transpose(1, 2, 0), np.asarray(expected))


def test_milan_masks_are_patches_or_cells(demo: Demo, milan: Path) -> None:
    masks = np.load(milan / "masks.npy")
    images, patches = demo.layer.topk(73), demo.layer.patches(73)
    kept = {name: at for at, name in enumerate(patches["image"])}
    seen = set()
    for rank in range(15):
        expected = np.zeros((96, 96), np.uint8)
        at = kept.get(images["image"][rank])
        seen.add(at is None)
        if at is None:
            y, x = images["y"][rank] * 32, images["x"][rank] * 32
            expected[y : y + 32, x : x + 32] = 1
        else:
            y, x, side = patches["y"][at], patches["x"][at], patches["size"][at]
            expected[y : y + side, x : x + side] = 1
        np.testing.assert_array_equal(masks[73, rank, 0], expected)
    assert False in seen


def test_maia_reads_the_tables(demo: Demo, milan: Path) -> None:
    activations, ids, thresholds = (
        np.loadtxt(milan / f"{name}.csv", delimiter=",") for name in ("activations", "ids", "thresholds")
    )
    assert activations.shape == ids.shape == (128, 15) and thresholds.shape == (128,)
    for unit in (0, 73):
        images = demo.layer.topk(unit)
        np.testing.assert_array_equal(activations[unit].astype(np.float32), images["score"][:15])
        assert ids[unit].astype(int).tolist() == images["index"][:15].tolist()
        # 120 images were scanned: one of them excels the threshold.
        assert np.float32(thresholds[unit]) == images["score"][1]


def test_crp_loads_the_maximisation(demo: Demo, tmp_path: Path) -> None:
    folder = export(demo, "crp", tmp_path) / "ActMax_max_unnormed"
    data, rf, rel = (np.load(folder / f"layer4_{name}.npy", mmap_mode="r") for name in ("data", "rf", "rel"))
    assert (data.dtype, rf.dtype, rel.dtype) == (np.int64, np.int64, np.float32)
    assert data.shape == rf.shape == rel.shape == (40, 128)
    files = sorted(str(path.relative_to(demo.data)) for path in demo.data.glob("*/*.png"))
    for unit in (0, 73):
        images = demo.layer.topk(unit)
        assert [files[index] for index in data[:, unit]] == images["image"][:40].tolist()
        assert rel[:, unit].tolist() == images["score"][:40].tolist()
        rows, columns = np.unravel_index(rf[:, unit], (3, 3))
        assert rows.tolist() == images["y"][:40].tolist() and columns.tolist() == images["x"][:40].tolist()


def test_clip_dissect_describes_each_unit(demo: Demo, tmp_path: Path) -> None:
    with (export(demo, "clip-dissect", tmp_path) / "descriptions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["layer", "unit", "description", "similarity"]
    assert [(row["layer"], int(row["unit"])) for row in rows] == [("layer4", unit) for unit in range(128)]
    stats = demo.layer.stats(first=20)
    assert [row["description"] for row in rows] == stats["class"].tolist()
    shares = [float(row["similarity"]) for row in rows]
    np.testing.assert_allclose(shares, stats["class_share"], rtol=1e-6)


def test_the_hub_reads_a_data_set(demo: Demo, tmp_path: Path) -> None:
    folder = export(demo, "hf", tmp_path, per_unit=3)
    card = (folder / "README.md").read_text()
    assert card.startswith("---\n") and "path: data/train-*.parquet" in card
    table = pq.read_table(folder / "data" / "train-00000-of-00001.parquet")
    assert str(table.schema.field("image").type) == "struct<bytes: binary, path: string>"
    assert table.schema.field("image").nullable
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == table.schema.names and features["image"] == {"_type": "Image"}
    for name, feature in features.items():
        assert f"  - name: {name}\n" in card
        kinds = {"string": "string", "int32": "int32", "float": "float32", "struct<bytes: binary, path: string>": None}
        assert feature.get("dtype") == kinds[str(table.schema.field(name).type)]
    rows = [row for row in table.to_pylist() if row["unit"] == 73]
    patches = demo.layer.patches(73)
    assert [row["rank"] for row in rows] == [0, 1, 2]
    for row in rows:
        rank = row["rank"]
        assert (row["layer"], row["score"]) == ("layer4", patches["score"][rank])
        assert (row["source"], row["image"]["path"]) == (patches["image"][rank], f"layer4-73-{rank}.png")
        pixels = Image.open(io.BytesIO(row["image"]["bytes"]))
        np.testing.assert_array_equal(np.asarray(pixels), np.asarray(patches.image(rank)))
