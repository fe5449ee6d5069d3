"""How much whoever has no account may ask for: a bucket each, and one for all of them together."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from fabcoord.errors import OverQuota

_MOST_KNOWN = 10_000  # addresses that are remembered
_ALL = 5  # times what one address may ask for


class Buckets:
    """Requests of visitors, counted by address.

    A page of the library with its pictures takes some thirty requests, so a bucket holds ``most``
    and fills by ``per_s``. All visitors together get `_ALL` times that: members come first.
    """

    def __init__(
        self, most: float = 400, per_s: float = 10, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._per_s, self._clock = most, per_s, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._everybody = (most * _ALL, clock())
        self._lock = threading.Lock()

    def take(self, address: str) -> None:
        """Count one request. Raises OverQuota when there have been too many."""
        key = _network(address)
        with self._lock:
            now = self._clock()
            own = self._filled(*self._left.pop(key, (self._most, now)), now, 1)
            shared = self._filled(*self._everybody, now, _ALL)
            allowed = min(own, shared) >= 1
            self._left[key] = (own - 1 if allowed else own, now)
            self._everybody = (shared - 1 if allowed else shared, now)
            if len(self._left) > _MOST_KNOWN:
                self._left.popitem(last=False)
        if not allowed:
            raise OverQuota(
                "Too much was asked for without an account.",
                hint="Try again in a minute, or sign in.",
            )

    def _filled(self, left: float, since: float, now: float, times: int) -> float:
        return min(self._most * times, left + (now - since) * self._per_s * times)


def _network(address: str) -> str:
    """An address of the old kind, or the /64 that one person has of the new kind."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
