"""Names of members, as results have them."""

from __future__ import annotations


def plain(name: str) -> str:
    """A name without empty parts and dots: `./a//b.jpg` is called `a/b.jpg`."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))
