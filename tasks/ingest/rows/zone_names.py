"""Times that name their zone: EST, [Europe/Madrid] behind the offset, /Date(1700000000000)/ of .NET."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_HOURS: dict[str, tuple[float, ...]] = {
    **{"WET": (0,), "WEST": (1,), "BST": (1,), "CET": (1,), "MEZ": (1,), "CEST": (2,), "MESZ": (2,), "EET": (2,)},
    **{"EEST": (3,), "MSK": (3,), "TRT": (3,), "SAST": (2,), "CAT": (2,), "EAT": (3,), "GST": (4,), "PKT": (5,)},
    **{"IST": (1, 2, 5.5), "ICT": (7,), "WIB": (7,), "HKT": (8,), "SGT": (8,), "PHT": (8,), "JST": (9,), "KST": (9,)},
    **{"AWST": (8,), "ACST": (9.5,), "ACDT": (10.5,), "AEST": (10,), "AEDT": (11,), "NZST": (12,), "NZDT": (13,)},
    **{"EST": (-5, 10), "EDT": (-4, 11), "CST": (-6, 8), "CDT": (-5,), "MST": (-7,), "MDT": (-6,), "PST": (-8,)},
    **{"PDT": (-7,), "AKST": (-9,), "AKDT": (-8,), "HST": (-10,), "AST": (-4,), "ADT": (-3,), "NDT": (-2.5,)},
    **{"NST": (-3.5,), "BRT": (-3,), "ART": (-3,), "CLT": (-4,), "CLST": (-3,), "COT": (-5,), "PET": (-5,)},
}
"""Hours from UTC that a name may mean. Several do, so that the clocks of the source's time zone decide."""
_NAME = re.compile(rf"(?<=\d) ?(?:{'|'.join(sorted(_HOURS, key=len, reverse=True))})$", re.IGNORECASE)
_BRACKETS = r"(?i)(Z|[+-]\d{2}:?\d{2})\[[A-Z0-9_/+-]+\]$"
_DOT_NET = r"(?i)^/DATE\(-?\d{12,14}([+-]\d{4})?\)/$"


def may_name_zone(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Which texts end as a time does that names its zone."""
    return np.asarray(pc.match_substring_regex(values, r"(\d ?[A-Za-z]{3,4}|\]|\)/)$").to_numpy(zero_copy_only=False))


def dot_net_times(values: pa.Array) -> npt.NDArray[np.datetime64]:
    """UTC of texts such as /Date(1700000000000+0100)/, milliseconds of UTC whatever offset is shown; NaT of others."""
    digits = pc.replace_substring_regex(values, r"^[^-\d]*(-?\d+).*$", r"\1")
    formed = pc.match_substring_regex(values, _DOT_NET)
    known = pc.if_else(formed, digits, None).cast(pa.int64())
    times = known.cast(pa.timestamp("ms")).to_numpy(zero_copy_only=False)
    return np.asarray(times).astype("datetime64[s]")


def without_brackets(values: pa.Array) -> pa.Array:
    """Texts whose offset is given without the name of the zone behind it, as Java writes it."""
    return pc.replace_substring_regex(values, _BRACKETS, r"\1")


def zone_offsets(name: str) -> tuple[int, ...]:
    """Seconds from UTC that a short name of a zone may mean; none where it is none."""
    return tuple(int(hours * 3600) for hours in _HOURS.get(name.upper(), ()))


def without_zone_name(text: str) -> str:
    """A time without the short name of its zone; as it is where it has none."""
    return _NAME.sub("", text)


def split_zone_names(values: pa.Array) -> tuple[pa.Array, list[tuple[int, ...]]]:
    """Texts without the short names of zones, and the seconds from UTC that each of them may mean."""
    texts = [value or "" for value in values.to_pylist()]
    plain = [without_zone_name(text) for text in texts]
    names = [text[len(short) :].strip().upper() for text, short in zip(texts, plain, strict=True)]
    return pa.array(plain, pa.string()), [*map(zone_offsets, names)]
