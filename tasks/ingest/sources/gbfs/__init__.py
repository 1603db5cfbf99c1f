"""Stocks of bikes at stations, polled from a GBFS feed, as departures and arrivals."""

from tasks.ingest.sources.gbfs import source

__all__ = ["source"]
