"""The application: routes, board, and the gate in front of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from importlib import metadata

import numpy as np
from anyio import to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from flows.api.documents import DESCRIPTION
from flows.api.gate import Gate
from flows.api.latest import Published
from flows.api.queries import Tables
from flows.api.routes import Context, router
from flows.api.stored_day import StoredDay
from tasks.errors import NexthourError
from tasks.settings.tree import Settings
from tasks.storage.store import Store

log = logging.getLogger(__name__)

BOARD = "publications/board"
QUERIES_AT_ONCE = 4
"""Queries of tables that run at the same time, each in a thread; further ones wait."""


def make_app(settings: Settings, now: Callable[[], np.datetime64]) -> Gate:
    """The reading interface of a data root, as an ASGI application.

    Args:
        settings: the network and `[serve]`.
        now: reads the clock, UTC.

    Raises:
        ConfigError: if the keys cannot be used.
        StoreError: if the data root cannot be reached.
    """
    published = Published(Store(settings.data_root))
    with ThreadPoolExecutor(1) as apart:  # whoever makes it may be in an event loop
        # The first request is to find the forecast that is there.
        apart.submit(asyncio.run, published.look()).result()
    return Gate(make_inner_app(settings, published, now), published, settings.serve)


def make_inner_app(settings: Settings, published: Published, now: Callable[[], np.datetime64]) -> FastAPI:
    """The routes without the gate."""
    store = Store(settings.data_root)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = QUERIES_AT_ONCE
        watching = asyncio.create_task(published.watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    # The pages of documentation would load their scripts from another host.
    app = FastAPI(
        title="Nexthour",
        version=metadata.version("nexthour"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    tables = Tables(settings)
    app.state.context = Context(settings, published, StoredDay(settings, tables), tables, now)
    app.include_router(router)
    app.add_exception_handler(NexthourError, _unreadable)
    app.add_route("/", _first_page)
    if store.local:
        app.mount("/board", StaticFiles(directory=store.local / BOARD, html=True, check_dir=False))
    return app


async def _first_page(request: Request) -> Response:
    """The board where it is published, for people who open the address; else the description of the routes."""
    context: Context = request.app.state.context
    store = Store(context.settings.data_root)
    shown = store.local is not None and (store.local / BOARD / "index.html").exists()
    return RedirectResponse("/board/" if shown else "/openapi.json")


async def _unreadable(_: Request, error: Exception) -> JSONResponse:
    """What is wrong with the data root is for the log: clients learn nothing of this machine."""
    log.error("%s", error)
    return JSONResponse({"detail": "the tables cannot be read now; the log says why"}, 503, {"Retry-After": "60"})
