"""Images in archives beside the same images in a folder: packed here, scanned by the command."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Demo

import neuron
from neuron.archives import Member

Files = list[tuple[str, bytes]]


def files(folder: Path) -> Files:
    """Names and bytes of a class each, in the order of the command."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.parent == folder)
    return [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths]


def tar_of(members: Files) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in members:
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return packed.getvalue()


def as_tar(members: Files, to: Path) -> Path:
    to.joinpath("d.tar").write_bytes(tar_of([(f"./{name}", data) for name, data in members]))
    return to / "d.tar"


def as_shards(members: Files, to: Path) -> Path:
    half = len(members) // 2
    for at, part in enumerate((members[:half], members[half:])):
        to.joinpath(f"d-{at:03}.tar").write_bytes(tar_of(part))
    return to / "d-{000..001}.tar"


def as_tars_in_a_tar(members: Files, to: Path) -> Path:
    classes = sorted({name.split("/")[0] for name, _ in members})
    inner = [
        (f"{of}.tar", tar_of([(name.split("/")[1], data) for name, data in members if name.startswith(f"{of}/")]))
        for of in classes
    ]
    to.joinpath("d.tar").write_bytes(tar_of(inner))
    return to / "d.tar"


def as_zip(members: Files, to: Path) -> Path:
    with zipfile.ZipFile(to / "d.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return to / "d.zip"


def as_parquet(members: Files, to: Path) -> Path:
    images = [{"bytes": data, "path": name} for name, data in members]
    table = pa.table({"image": images})
    pq.write_table(table, to / "d.parquet", row_group_size=25, compression="snappy")
    return to / "d.parquet"


@pytest.mark.parametrize("pack", [as_tar, as_shards, as_tars_in_a_tar, as_zip, as_parquet])
def test_images_of_an_archive_are_those_of_the_folder(
    demo: Demo, tmp_path: Path, pack: Callable[[Files, Path], Path]
) -> None:
    members = files(demo.data)
    assert len(members) > 50
    place = pack(members, tmp_path)
    weights = next(demo.folder.rglob("*.safetensors"))
    for data, out in [(demo.data, tmp_path / "folder"), (place, tmp_path / "archive")]:
        neuron.run(
            "select-images", arch="resnet10_demo", weights=weights, layer="layer4", topk_images=40, data=data, out=out
        )
    from_folder, from_archive = (neuron.open(tmp_path / out).layers["layer4"].topk(2) for out in ("folder", "archive"))
    assert from_archive["index"].tolist() == from_folder["index"].tolist()
    assert all("::" in name for name in from_archive["image"])
    for rank in (0, 1, 20, 39):
        np.testing.assert_array_equal(np.asarray(from_archive.image(rank)), np.asarray(from_folder.image(rank)))


def test_an_archive_that_has_moved_or_lost_an_image(demo: Demo, tmp_path: Path) -> None:
    data_set = neuron.images.DataSet(tmp_path)
    with pytest.raises(neuron.MissingImage, match=r"d\.tar::a\.png is not there: .*data="):
        data_set.open("d.tar::a.png")
    for pack, ending in [(as_tar, "tar"), (as_zip, "zip"), (as_parquet, "parquet")]:
        pack(files(demo.data)[:3], tmp_path)
        for gone in ("a.png", "3", "-1"):
            with pytest.raises(neuron.MissingImage, match=r"is not in its archive any more: put back"):
                data_set.open(f"d.{ending}::{gone}")
        tmp_path.joinpath(f"d.{ending}").write_bytes(b"damaged")
        with pytest.raises(neuron.MissingImage, match="cannot be decoded .*: put back"):
            data_set.open(f"d.{ending}::0")


def test_names_with_separators_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "a::b"
    folder.mkdir()
    folder.joinpath("c.tar").write_bytes(tar_of([("d::e.png", b"first"), ("d::e.png", b"second")]))
    member = Member.of(folder / "c.tar::d::e.png")
    assert (member.archive, member.name, member.read()) == (folder / "c.tar", "d::e.png", b"first")


def test_names_in_zips_without_a_flag_are_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "d.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("caf\u00e9.png", b"bytes")
    # What says that the name is UTF-8, in both of its headers.
    path.write_bytes(path.read_bytes().replace(b"\x00\x08\x00\x00", b"\x00\x00\x00\x00"))
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() != ["caf\u00e9.png"]
    assert Member.of(Path(f"{path}::caf\u00e9.png")).read() == b"bytes"


def test_rows_of_several_groups(tmp_path: Path) -> None:
    images = [f"image {row}".encode() for row in range(100)]
    features = '{"info": {"features": {"scan": {"_type": "Image"}, "image": {"_type": "Value"}}}}'
    table = pa.table({"image": images[::-1], "scan": images}).replace_schema_metadata({"huggingface": features})
    pq.write_table(table, tmp_path / "d.parquet", row_group_size=33)
    for row in (0, 15, 16, 32, 33, 65, 66, 99):
        assert Member.of(Path(f"{tmp_path}/d.parquet::{row}")).read() == images[row]
