"""A large JSON object that is decoded in pieces is the object that is decoded at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.api.decode import decode_in_pieces

LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
OBJECTS = st.dictionaries(st.text(), VALUES | st.dictionaries(st.text(), VALUES, max_size=4), max_size=4)


T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread of its own: a browser of other tests may leave a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def decode(text: str) -> dict[str, Any]:
    return run(decode_in_pieces(text))


@settings(max_examples=40)
@given(OBJECTS, st.sampled_from([None, 1]), st.booleans())
def test_an_object_in_pieces_is_the_object_at_once(value: dict[str, Any], indent: int | None, ascii_only: bool) -> None:
    assert decode(json.dumps(value, indent=indent, ensure_ascii=ascii_only)) == value


WHOLE = '{"a":{"b":{"c":[1,2]},"d":"}"},"e":3}'


@pytest.mark.parametrize(
    "damaged",
    ["", "[]", "null", "{", '{"a"}', '{"a":1 "b":2}', '{"a":1{"b":2}', ',"a":1}', '{"a":1,}', WHOLE + "x", WHOLE + "{}"]
    + [WHOLE[:end] for end in range(1, len(WHOLE))],
)
def test_what_is_no_whole_object_is_a_value_error(damaged: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(damaged)


def test_other_work_is_done_between_the_pieces() -> None:
    async def both() -> int:
        decoding, turns = (
            asyncio.ensure_future(decode_in_pieces(json.dumps({"stations": dict.fromkeys("abcdef", 1)}))),
            0,
        )
        while not decoding.done():
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert run(both()) >= 6
