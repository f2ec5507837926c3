"""A unit as HTML for a notebook: one element with everything in it, for light and dark pages alike."""

from __future__ import annotations

import base64
import html as markup
import io
import math
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from neuron.errors import FoundTwice, MissingImage, UnknownUnit

if TYPE_CHECKING:
    from PIL.Image import Image

    from neuron.patches import Patches
    from neuron.topk import TopImages
    from neuron.unit import Unit

PATCHES = 12
IMAGES = 6
CLASSES = 3
# Sides in pixels; files are twice as large, for screens with fine pixels.
PATCH_PX, PICTURE_PX = 88, 184

# Colours are those of the page, thinned out: no theme has to be known.
STYLE = """
.neuron-unit { font: 13px/1.4 system-ui, sans-serif; color: inherit; max-width: 80em; margin-bottom: 16px; }
.neuron-unit h4 { font-size: 15px; margin: 0 0 2px; }
.neuron-unit p { margin: 0 0 10px; opacity: .75; }
.neuron-unit .parts { display: flex; flex-wrap: wrap; gap: 12px 28px; align-items: flex-start; }
.neuron-unit .part > div { display: grid; gap: 8px 6px; }
.neuron-unit h5 { font-size: 12px; font-weight: 600; margin: 0 0 4px; opacity: .75; }
.neuron-unit figure { margin: 0; }
.neuron-unit img { display: block; object-fit: cover; border-radius: 3px; background: rgba(128, 128, 128, .18); }
.neuron-unit figcaption { font-size: 11px; opacity: .75; }
.neuron-unit figcaption { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
"""


def html(unit: Unit) -> str:
    """The unit's best patches, or images where it has none, its pictures, and its scores; images are embedded."""
    parts = [_patches(unit), _pictures(unit)]
    title = f"Unit {unit.channel} of {unit.layer.name}"
    return (
        f"<div class='neuron-unit'><style>{STYLE}</style>"
        f"<h4>{_escaped(title)}</h4><p>{_escaped(_scores(unit))}</p>"
        f"<div class='parts'>{''.join(parts)}</div></div>"
    )


def _scores(unit: Unit) -> str:
    """The network, the list's best and least score, and the classes of its first images."""
    try:
        listed = unit.topk
    except UnknownUnit:
        return unit.layer.arch
    scores = listed["score"]
    said = [unit.layer.arch, f"{len(listed)} images, scores {scores[0]:.3g} to {scores[-1]:.3g}"]
    first = listed["class"][:20]
    named = Counter(name for name in first if name is not None).most_common(CLASSES)
    if named:
        said.append(f"first {len(first)}: " + ", ".join(f"{name} ({count})" for name, count in named))
    return " \N{MIDDLE DOT} ".join(said)


def _patches(unit: Unit) -> str:
    try:
        patches = unit.patches
    except UnknownUnit:
        return _images(unit)
    except FoundTwice as twice:
        return f"<p>{_escaped(str(twice))}</p>"
    shown = range(min(PATCHES, len(patches)))
    try:
        figures = [_patch(patches, rank) for rank in shown]
    except MissingImage as missing:
        grid = _figure(patches.grid(), 2 * PICTURE_PX, f"images are not there: {missing.path}")
        return _part("Best patches", grid, 2 * PICTURE_PX, 1)
    return _part("Best patches", "".join(figures), PATCH_PX, 6)


def _patch(patches: Patches, rank: int) -> str:
    return _figure(patches.image(rank), PATCH_PX, f"{patches['score'][rank]:.3g}", patches["image"][rank])


def _images(unit: Unit) -> str:
    try:
        listed = unit.topk
        shown = range(min(IMAGES, len(listed)))
        figures = [_image(listed, rank) for rank in shown]
    except UnknownUnit:
        return ""
    except MissingImage as missing:
        return f"<p>{_escaped(str(missing))}</p>"
    return _part("Best images", "".join(figures), PATCH_PX, 3)


def _image(listed: TopImages, rank: int) -> str:
    return _figure(listed.image(rank), PATCH_PX, f"{listed['score'][rank]:.3g}", listed["image"][rank])


def _pictures(unit: Unit) -> str:
    parts = []
    for picture in unit.pictures:
        ratio = "" if math.isnan(picture.ratio) else f", {picture.ratio:.0%} of references"
        figures = _figure(picture.image, PICTURE_PX, f"{picture.activation:.3g}{ratio}", picture.name)
        figures += _figure(picture.masked, PICTURE_PX, "what is relevant", picture.name)
        parts.append(_part("Picture", figures, PICTURE_PX, 2))
    return "".join(parts)


def _part(title: str, figures: str, side_px: int, columns: int) -> str:
    grid = f"grid-template-columns: repeat({columns}, {side_px}px)"
    return f"<div class='part'><h5>{_escaped(title)}</h5><div style='{grid}'>{figures}</div></div>"


def _figure(image: Image, side_px: int, caption: str, title: str = "") -> str:
    height = f"height: {side_px}px;" if image.width == image.height or side_px == PATCH_PX else ""
    return (
        f"<figure title='{_escaped(title)}'><img style='width: {side_px}px; {height}' alt='{_escaped(title)}' "
        f"src='{_embedded(image, 2 * side_px)}'><figcaption>{_escaped(caption)}</figcaption></figure>"
    )


def _embedded(image: Image, most_px: int) -> str:
    """A copy of at most so many pixels a side, as an address that holds it."""
    copy = image.copy()
    copy.thumbnail((most_px, most_px))
    # Photos are several times smaller as JPEG, which knows no transparency.
    kind, save = ("png", {}) if copy.mode == "RGBA" else ("jpeg", {"quality": 88})
    buffer = io.BytesIO()
    copy.save(buffer, format=kind, **save)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


_escaped: Callable[[str], str] = markup.escape
