"""Ids, secrets and times as the database keeps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from fabcoord.store.values import (
    in_seconds,
    new_id,
    new_secret,
    now,
    parse_timestamp,
    secret_hash,
    timestamp,
)


def test_ids_and_secrets_do_not_repeat_and_cannot_be_misread() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(one) for one in ids} == {12}
    assert not set("".join(ids)) & set("ilouILOU")
    assert len({new_secret() for _ in range(100)}) == 100


def test_a_secret_cannot_be_read_from_its_hash() -> None:
    secret = new_secret()
    assert secret not in secret_hash(secret)
    assert secret_hash(secret) == secret_hash(secret) != secret_hash(secret + "x")


def test_times_sort_as_text_and_come_back_the_same() -> None:
    moment = datetime(2026, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC)
    assert timestamp(moment) == "2026-02-28T23:59:59.999Z"
    assert parse_timestamp(timestamp(moment)) == moment
    assert in_seconds(-10) < now() < in_seconds(10)
    berlin = timezone(timedelta(hours=2))
    assert timestamp(datetime(2026, 7, 1, 1, 0, tzinfo=berlin)) == "2026-06-30T23:00:00.000Z"
    assert parse_timestamp("2026-07-01T01:00:00+02:00") == datetime(2026, 6, 30, 23, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-07-01T01:00:00", "2026-13-01T00:00:00Z"])
def test_what_names_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_timestamp(text)
