"""The HTML of a unit."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import Demo
from PIL import Image

import neuron

VOID = {"img", "br", "meta"}


class Elements(HTMLParser):
    """Counts elements and insists that each is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.open: list[str] = []
        self.sources: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.sources.extend(value or "" for name, value in attrs if name == "src")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def decoded(source: str) -> Image.Image:
    kind, _, data = source.partition(";base64,")
    assert kind in ("data:image/png", "data:image/jpeg")
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_unit_shows_patches_picture_and_scores(demo: Demo) -> None:
    html = demo.layer[demo.shown]._repr_html_()
    elements = Elements(html)
    assert elements.counts["figure"] == elements.counts["img"] == 12 + 2
    images = [decoded(source) for source in elements.sources]
    assert images[-1].mode == "RGBA"
    score = demo.layer.patches(demo.shown)["score"][0]
    assert f"<figcaption>{score:.3g}</figcaption>" in html
    assert f"Unit {demo.shown} of layer4" in html and "% of references" in html


def test_nothing_is_fetched(demo: Demo) -> None:
    html = demo.layer[demo.shown]._repr_html_()
    assert not re.search(r"https?:|url\(|@import|<script|<link", html)


def test_a_unit_without_a_picture_shows_patches(demo: Demo) -> None:
    without = next(unit for unit in demo.layer if not unit.pictures)
    assert Elements(without._repr_html_()).counts["figure"] == 12


def test_where_images_have_moved_the_grid_is_shown(demo: Demo, tmp_path: Path) -> None:
    results = demo.copy(tmp_path / "results")
    html = neuron.open(results, data=tmp_path / "gone").layers["layer4"][demo.shown]._repr_html_()
    assert Elements(html).counts["figure"] == 1 + 2
    assert "images are not there" in html


def test_names_are_escaped(demo: Demo, tmp_path: Path) -> None:
    results = demo.copy(tmp_path / "results")
    for file in results.rglob("*.json"):
        file.write_text(file.read_text().replace('"resnet10_demo"', '"<b>net\'"'))
    html = neuron.open(results).layers["layer4"][demo.shown]._repr_html_()
    assert "b" not in Elements(html).counts
    assert "&lt;b&gt;net&#x27;" in html


def test_without_optional_libraries_the_way_out_is_told(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("PIL", "pandas"):
        monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(neuron.MissingLibrary, match="pip install pillow"):
        demo.layer.patches(73).grid()
    with pytest.raises(neuron.MissingLibrary, match="pip install pandas"):
        demo.layer.topk(73).to_pandas()


def test_a_unit_without_patches_shows_images(demo: Demo, tmp_path: Path) -> None:
    results = demo.copy(tmp_path / "results")
    for table in results.rglob("patches.parquet"):
        table.unlink()
    html = neuron.open(results).layers["layer4"][demo.shown]._repr_html_()
    assert Elements(html).counts["figure"] == 6 + 2
    assert "Best images" in html
