"""Rows of Parquet files with images, as the Hugging Face Hub keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

# Rows that are decoded together: a group may hold thousands of images.
ROWS = 16


def read(path: Path, name: str) -> bytes:
    """The bytes of the image in the row `name`, counted from 0.

    Raises:
        KeyError: if there is no such row, or no image in it.
        OSError, ValueError: if the file cannot be read, or has no column with images.
    """
    if not (name.isascii() and name.isdigit()):
        raise KeyError(name)
    row = int(name)
    with pq.ParquetFile(path) as file:
        column = _column(file)
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if row >= rows:
                row -= rows
                continue
            for batch in file.iter_batches(ROWS, row_groups=[group], columns=[column]):
                if row < len(batch):
                    return _bytes(batch.column(0)[row].as_py(), name)
                row -= len(batch)
    raise KeyError(name)


def _bytes(value: object, name: str) -> bytes:
    """The bytes of a row: by themselves, or in a record with their name."""
    found = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(found, bytes):
        raise KeyError(name)
    return found


def _column(file: pq.ParquetFile) -> str:
    """The column with images: one that the Hub's metadata calls so, or the usual ones."""
    schema = file.schema_arrow
    for column in [*_images((schema.metadata or {}).get(b"huggingface", b"{}")), "image", "img"]:
        at = schema.get_field_index(column)
        if at < 0:
            continue
        kind = schema.field(at).type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return f"{column}.bytes"
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return str(column)
    raise ValueError("it has no column `image` with the bytes of images")


def _images(about: bytes) -> list[str]:
    """The columns of images that the Hub's metadata names; `image` first. Without a sense, it says nothing."""
    try:
        features = json.loads(about)["info"]["features"]
        images = [name for name, feature in features.items() if feature.get("_type") == "Image"]
    except (AttributeError, KeyError, TypeError, ValueError):
        return []
    return sorted(images, key=lambda name: name != "image")
