"""Mask the secrets of a source in what it sends back, so that none is kept with rejected rows or in messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tasks.errors import SourceError
from tasks.ingest.batch import SourceBatch
from tasks.ingest.rejects import Rejects, Sample
from tasks.settings.secrets import secrets_of
from tasks.settings.sources.rows import BaseSource
from tasks.tables.masked import STARS, mask_column


@dataclass(frozen=True)
class Mask:
    """Secrets of one source, longest first. Texts without one pass as they are."""

    secrets: tuple[str, ...]

    @classmethod
    def of(cls, config: BaseSource) -> Mask:
        """The secrets that the settings of a source name."""
        return cls(secrets_of(config))

    def text(self, text: str) -> str:
        """A text with stars in place of each secret."""
        for secret in self.secrets:
            text = text.replace(secret, STARS)
        return text

    def batches(self, batches: Iterator[SourceBatch]) -> Iterator[SourceBatch]:
        """The batches, with what people read of them masked; see also `holds_secret`."""
        return map(self._batch, batches) if self.secrets else batches

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Mask the line of a `SourceError`."""
        try:
            yield
        except SourceError as error:
            if self.text(str(error)) == str(error):
                raise
            raise SourceError(self.text(str(error))) from None

    def _batch(self, batch: SourceBatch) -> SourceBatch:
        rejects = Rejects.from_sequence(batch.source, batch.origin, batch.rejects)
        return replace(
            batch,
            rejects=self._rejects(rejects),
            warnings=tuple(map(self.text, batch.warnings)),
            failure=None if batch.failure is None else self.text(batch.failure),
        )

    def _rejects(self, rejects: Rejects) -> Rejects:
        texts = mask_column(rejects.table["text"], self.secrets)
        place = rejects.table.column_names.index("text")
        table = rejects.table.set_column(place, "text", texts)
        samples = {
            reason: Sample(sample.column, tuple(map(self.text, sample.values)))
            for reason, sample in rejects.samples.items()
        }
        return Rejects(rejects.source, rejects.origin, table, rejects.beyond, samples)
