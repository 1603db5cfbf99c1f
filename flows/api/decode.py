"""Decode a large JSON object in pieces, between which an event loop does other work."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

_KEY = re.compile(r'\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_SPACE = re.compile(r"\s*")
_EMPTY = re.compile(r"\{\s*\}")
_DECODER = json.JSONDecoder()


async def decode_in_pieces(text: str) -> dict[str, Any]:
    """Decode an object; members of its members are the pieces.

    Raises:
        ValueError: if the text is no JSON object.
    """
    found, end = await _decode(text, _SPACE.match(text, 0).end(), depth=2)  # type: ignore[union-attr]
    if text[end:].strip():
        raise ValueError(f"something follows the JSON object at character {end}")
    return found


async def _decode(text: str, at: int, depth: int) -> tuple[dict[str, Any], int]:
    """The object that begins at a position, and the position after it."""
    found: dict[str, Any] = {}
    if empty := _EMPTY.match(text, at):
        return found, empty.end()
    before = "{"
    while True:
        key = _KEY.match(text, at + 1)
        if key is None or text[at : at + 1] != before:
            raise ValueError(f"no member of a JSON object begins at character {at}")
        name, at = json.loads(key[1]), key.end()
        if depth > 1 and text[at : at + 1] == "{":
            found[name], at = await _decode(text, at, depth - 1)
        else:
            found[name], at = _DECODER.raw_decode(text, at)
            await asyncio.sleep(0)
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        if text[at : at + 1] == "}":
            return found, at + 1
        before = ","
