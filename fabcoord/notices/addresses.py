"""Which addresses of the network a notice may be sent to: a member must not reach into the lab."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from fabcoord.errors import BadInput

# Only services that take a message over the network; apprise also knows ones that run programs
# or talk to this machine.
HOSTED = {"ntfy", "ntfys", "gotify", "gotifys", "mailto", "mailtos", "matrix", "matrixs",
          "mmost", "mmosts", "rocket", "rockets", "nextcloud", "ncloud", "nclouds", "signal",
          "signals"}  # fmt: skip  # the address names a host
NAMED = {"discord", "slack", "tgram", "pover", "msteams", "zulip", "threema"}  # all of it is secret
SCHEMES = HOSTED | NAMED
_LONGEST = 1000
_EMAIL = re.compile(r"[^\s@<>,;:\"\\/?&#%]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}")


def may_reach(address: str, *, private: bool) -> bool:
    """Whether an IP address may be connected to.

    Never what only this link reaches (where clouds keep their credentials), nor many at once;
    the lab's own network only when ``private``.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return False
    return ip.is_global or (private and (ip.is_private or ip.is_loopback))


def checked_webhook(url: str, *, private: bool) -> str:
    """A URL that a webhook may have. Raises BadInput; names are looked up when it is sent to."""
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _bad("A webhook is an address that begins with https:// or http://.")
    if parts.username or parts.password or parts.fragment:
        raise _bad("A webhook's address holds no password and no #; it is signed instead.")
    _refuse_literal(parts.hostname, private=private)
    return url


def checked_apprise(url: str, *, private: bool) -> str:
    """An apprise URL of one of `SCHEMES`. Raises BadInput."""
    parts = _split(url)
    if parts.scheme not in SCHEMES:
        raise _bad(
            "Notices can go to: " + ", ".join(f"{name}://" for name in sorted(SCHEMES)) + "."
        )
    if parts.scheme in HOSTED and parts.hostname:
        _refuse_literal(parts.hostname, private=private)
    return url


def checked_email(address: str) -> str:
    """An e-mail address. Raises BadInput."""
    if not _EMAIL.fullmatch(address):
        raise _bad("That is no e-mail address.")
    return address


def masked(means: str, address: str) -> str:
    """The address without what must stay secret: enough to tell one's targets apart."""
    if means == "email":
        name, _, domain = address.partition("@")
        return f"{name[:1]}…@{domain}"
    parts = urlsplit(address)
    if parts.scheme in NAMED:
        return f"{parts.scheme}://…"
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}/…"


def _split(url: str) -> SplitResult:
    if not url or len(url) > _LONGEST or not url.isprintable() or " " in url or "\\" in url:
        raise _bad(f"An address has up to {_LONGEST} printable characters and no space.")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises for what is no port
    except ValueError as error:
        raise _bad("That address cannot be read.") from error
    return parts


def _refuse_literal(host: str, *, private: bool) -> None:
    """Tell at once what sending would refuse anyway, where no name has to be looked up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if host.lower().rstrip(".") != "localhost":
            return
        host = "127.0.0.1"
    if not may_reach(host, private=private):
        raise _bad("That address is in the lab's own network, which staff have not allowed.")


def _bad(text: str) -> BadInput:
    return BadInput(text, fields={"address": text})
