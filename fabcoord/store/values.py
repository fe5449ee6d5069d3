"""Ids, secrets and times as the database keeps them."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u to misread


def new_id() -> str:
    """A short opaque id: 12 characters, 60 random bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


def new_secret() -> str:
    """A secret of 256 random bits, safe in URLs and headers."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    """What is stored of a secret. Plain SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def now() -> str:
    """The present time, RFC 3339 UTC with milliseconds; sorts as text."""
    return timestamp(datetime.now(UTC))


def timestamp(moment: datetime) -> str:
    """``moment`` in the one format that the database holds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def parse_timestamp(text: str) -> datetime:
    """The moment that an RFC 3339 text names; raises ValueError on anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone; append Z for UTC")
    return moment.astimezone(UTC)


def in_seconds(seconds: float) -> str:
    """The time ``seconds`` from now (or ago, when negative)."""
    return timestamp(datetime.now(UTC) + timedelta(seconds=seconds))
