"""Markdown of strangers: shown as it is meant, and nothing runs, calls home or breaks the page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabcoord.designs.markdown import to_html

OWN = {"front.jpg": "/api/v1/pictures/abc/content", "part one.stl": "/api/v1/files/f1/content"}


def test_headings_lists_tables_and_links_are_shown() -> None:
    html = to_html("# Parts\n\n- two *screws*\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", {})
    assert "<h3>Parts</h3>" in html
    assert "<em>screws</em>" in html
    assert "<td>1</td>" in html
    link = to_html("[site](https://example.org)", {})
    assert 'rel="nofollow noopener noreferrer"' in link


def test_pictures_come_from_the_design_only() -> None:
    assert 'src="/api/v1/pictures/abc/content"' in to_html("![Front](front.jpg)", OWN)
    assert to_html("![Front](https://evil.example/pixel.png)", OWN) == "<p>Front</p>\n"
    assert 'href="/api/v1/files/f1/content"' in to_html("[the part](part%20one.stl)", OWN)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt&colon;alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](javascript:alert(1))",
        "<style>body{display:none}</style>",
        "```html\n<script>alert(1)</script>\n```",
        '[x](https://a.example "onmouseover=alert(1)")',
        "<iframe src='//evil.example'></iframe>",
    ],
)
def test_nothing_hostile_gets_through(text: str) -> None:
    html = to_html(text, OWN)
    assert not re.search(r"<(script|style|iframe|img)\b", html)
    assert not re.search(r'(href|src)="(javascript|data):', html, re.IGNORECASE)
    assert not re.search(r"<[^>]*\son\w+=", html.replace('title="onmouseover=alert(1)"', ""))


@settings(max_examples=150)
@given(text=st.text(alphabet="<>[]()!\"'`*_#|-\\&;:=/ \nabjavscript0", max_size=120))
def test_only_what_is_allowed_comes_out(text: str) -> None:
    allowed = {*("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "a", "img")}
    allowed |= {*("h3", "h4", "h5", "h6", "ul", "ol", "li")}
    allowed |= {*("table", "thead", "tbody", "tr", "th", "td")}
    html = to_html(text, OWN)
    assert set(re.findall(r"</?([a-z0-9]+)", html)) <= allowed
    assert set(re.findall(r'src="([^"]*)"', html)) <= set(OWN.values())
