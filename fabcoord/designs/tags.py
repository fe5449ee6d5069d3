"""Tags: one spelling for each, and suggestions from those that the lab already uses."""

from __future__ import annotations

import unicodedata

from fabcoord.store.database import rows
from fabcoord.store.sqlite import Database

MOST_TAGS = 20
_LONGEST_TAG = 50


def normalise(tags: list[str]) -> list[str]:
    """Each tag once, in lower case, composed (NFC), without ``#`` and doubled spaces."""
    cleaned = dict.fromkeys(_clean(tag) for tag in tags)
    return [tag for tag in cleaned if tag][:MOST_TAGS]


def suggest(db: Database, beginning: str, limit: int = 10) -> list[dict[str, object]]:
    """The lab's tags that begin so, the most used first: ``{tag, count}``."""
    found = rows(
        db,
        "SELECT value AS tag, count(*) AS count FROM facet_values JOIN facets USING (facet)"
        " WHERE kind = 'tag' AND listed = 1 AND substr(value, 1, length(:beginning)) = :beginning"
        " GROUP BY facet ORDER BY count DESC, value LIMIT :limit",
        {"beginning": _clean(beginning), "limit": limit},
    )
    return list(found)


def _clean(tag: str) -> str:
    plain = "".join(char for char in tag if char.isprintable() or char.isspace())
    return " ".join(unicodedata.normalize("NFC", plain).lstrip("# ").split()).lower()[:_LONGEST_TAG]
