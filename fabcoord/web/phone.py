"""The QR code that leads a phone to the lab's upload page."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import segno
from flask import request

from fabcoord.api.context import lab


@dataclass(frozen=True, slots=True)
class Code:
    """An address, and its QR code as an image in a data: URL."""

    url: str
    picture: str


def upload_code() -> Code | None:
    """The code of the upload page; None where no address is known that a phone could reach.

    It says nothing but the address: who uploads signs in on their own phone, so that a photo of
    the screen is worth nothing.
    """
    return code_for("/designs/new")


def code_for(path: str) -> Code | None:
    """The code of a page of this lab; None where no address is known that a phone could reach."""
    address = lab().settings.public_url or request.host_url
    if not reachable(address):
        return None
    url = f"{address.rstrip('/')}{path}"
    return Code(url, _picture(url))


def reachable(address: str) -> bool:
    """Whether an address means the same machine to a phone as to this one."""
    host = urlsplit(address).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "" and host != "localhost" and not host.endswith(".localhost")


@lru_cache(maxsize=64)
def _picture(url: str) -> str:
    return segno.make(url, error="m", micro=False).svg_data_uri(border=2, light="#fff")
