"""Mask secrets in a column of texts."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from tasks.settings.secrets import SHORTEST

STARS = "***"


def mask_column(texts: pa.ChunkedArray, secrets: Sequence[str]) -> pa.ChunkedArray:
    """Texts with stars in place of each secret, also where a text was cut off in the midst of one.

    Args:
        texts: strings.
        secrets: longest first.
    """
    for secret in secrets:
        texts = pc.replace_substring(texts, pattern=secret, replacement=STARS)
        starts = (re.escape(secret[:length]) for length in range(len(secret) - 1, SHORTEST - 1, -1))
        if cut := "|".join(starts):
            texts = pc.replace_substring_regex(texts, pattern=f"(?:{cut})$", replacement=STARS)
    return texts
