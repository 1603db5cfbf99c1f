"""The page of a night, which a reviewer reads first: one HTML file with its pictures inside."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1c2733; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: .6rem 0 1.2rem; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #dde3ea; text-align: left; }
th { color: #5a6b7b; font-weight: 600; }
figure { margin: 1rem 0; } figure img { max-width: 100%; }
"""


def night_page(title: str, markdown: str, pictures: Sequence[bytes]) -> str:
    """Markdown and PNG pictures as one HTML file that asks no server for anything.

    Args:
        title: of the page.
        markdown: CommonMark with tables; HTML in it is shown as text.
        pictures: PNG files, shown below in this order.
    """
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    images = (base64.b64encode(picture).decode() for picture in pictures)
    shown = "".join(f'<figure><img alt="" src="data:image/png;base64,{image}"></figure>\n' for image in images)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return f"<!doctype html><html><head>{head}</head><body><h1>{html.escape(title)}</h1>\n{body}{shown}</body></html>\n"
