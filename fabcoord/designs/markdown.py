"""Markdown as safe HTML: CommonMark and tables, no HTML in it, pictures of the design only."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

_TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote"),
    *("h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "a", "img"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "loading"},
    "ol": {"start"},
    "code": {"class"},
}
_SCHEMES = {"http", "https", "mailto"}


def to_html(text: str, own: Mapping[str, str]) -> str:
    """HTML of a Markdown text that anybody may have written.

    Args:
        own: the addresses of the design's files and pictures by their names. Pictures from
            anywhere else are left out, so that reading a page tells nobody outside; their
            description stays.
    """
    return _to_html(text, tuple(sorted(own.items())))


@lru_cache(maxsize=64)
def _to_html(text: str, own: tuple[tuple[str, str], ...]) -> str:
    # Imported here: only who shows a page pays for it.
    import nh3
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = parser.parse(text)
    _adapt(tokens, dict(own))
    html = parser.renderer.render(tokens, parser.options, {})
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="nofollow noopener noreferrer",
    )


def _adapt(tokens: list[Any], own: dict[str, str]) -> None:
    """Point links and pictures at the design's own files; push headings below the page's title."""
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
        for child in token.children or []:
            if child.type == "image":
                address = own.get(unquote(str(child.attrs.get("src", ""))))
                if address is None:
                    child.type, child.tag, child.nesting = "text", "", 0
                else:
                    child.attrs["src"] = address
                    child.attrs["loading"] = "lazy"
            elif child.type == "link_open":
                name = unquote(str(child.attrs.get("href", "")))
                child.attrs["href"] = own.get(name, child.attrs.get("href", ""))
