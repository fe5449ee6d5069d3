"""Times the library's search at 20,000 synthetic designs, beside a plain LIKE scan.

    .venv/bin/python bench/search.py [--designs 20000] [--rounds 20]

Each figure is one answer as a page asks for it: 24 designs in the shape of the API, ranked, and
the counts of all facets. The words of the designs follow Zipf's law, as words do.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fabcoord.designs import facets, library, search
from fabcoord.designs.library import NewFile
from fabcoord.designs.search import Asked
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Role
from fabcoord.store.database import Store, rows
from fabcoord.store.migrations import migrate
from fabcoord.store.sqlite import Database

_PAGE = 24
_KNOWN = ("bracket", "holder", "gear", "knob", "lamp", "case", "hinge", "Öffner", "boîte", "clip")
_LICENCES = ("CC-BY-SA-4.0", "CC-BY-4.0", "CC0-1.0", "CERN-OHL-S-2.0", "GPL-3.0-or-later")
_FORMATS = ("stl", "3mf", "step", "obj")
_MATERIALS = ("PLA", "PETG", "ABS", "TPU")

QUERIES = {
    "nothing: the newest": Asked(),
    "a rare word": Asked("gear"),
    "a word's beginning": Asked("brac"),
    "two words": Asked("gear w40"),
    "accents folded": Asked("offner"),
    "a word in most designs": Asked("w2 "),
    "a beginning in all designs": Asked("w0"),
    "a licence": Asked(licence="CC0-1.0"),
    "a word, a tag and a material": Asked("w20", tags=("t3",), material="PETG"),
    "syntax as text": Asked('"gear" OR (knob* NEAR/3 -lamp'),
}


def main() -> None:
    """Build, measure, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--designs", type=int, default=20_000)
    options.add_argument("--rounds", type=int, default=20)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "lab.db")
        migrate(store)
        began = time.perf_counter()
        viewer = build(store, given.designs)
        size_mb = store.path.stat().st_size / 1e6
        print(
            f"{given.designs:,} designs in {time.perf_counter() - began:.0f} s, {size_mb:.0f} MB\n"
        )
        print("| query | found | p50 ms | p99 ms | LIKE p50 ms |")
        print("|---|---|---|---|---|")
        for words, asked in QUERIES.items():
            found, ours = measure(store, lambda db, a=asked: ask(db, a, viewer), given.rounds)
            _, theirs = measure(store, lambda db, a=asked: like(db, a, viewer), given.rounds // 4)
            print(
                f"| {words} | {found:,} | {statistics.median(ours):.1f} | {worst(ours):.1f}"
                f" | {statistics.median(theirs):.1f} |"
            )
        store.close()


def build(store: Store, many: int) -> Member:
    """A library of ``many`` designs; returns a member who looks at it."""
    chance = random.Random(1)
    words = [*(f"w{number}" for number in range(5000)), *_KNOWN]
    weights = [1 / (place + 3) for place in range(5000)] + [0.002] * len(_KNOWN)

    def some(count: int) -> str:
        return " ".join(chance.choices(words, weights, k=count))

    with store.writing() as db:
        owner = accounts.create(db, "Ada", Role.MEMBER)
        viewer = accounts.create(db, "Ben", Role.MEMBER)
    for begin in range(0, many, 500):
        with store.writing() as db:
            for number in range(begin, min(many, begin + 500)):
                file = NewFile(
                    f"part-{number}.stl", f"{number:064x}", 1000, chance.choice(_FORMATS)
                )
                design_id = library.create(
                    db, owner, title=some(4), licence=chance.choice(_LICENCES), files=[file],
                    description=some(40), tags=[f"t{chance.randrange(300)}" for _ in range(3)],
                )  # fmt: skip
                db.conn.execute(
                    "UPDATE designs SET documentation = ? WHERE id = ?", (some(150), design_id)
                )
                if number % 3 == 0:
                    facets.printed_in(db, design_id, chance.choice(_MATERIALS))
    with store.writing() as db:
        db.conn.execute("DELETE FROM runs")
        db.conn.execute("INSERT INTO designs_search(designs_search) VALUES ('optimize')")
        db.conn.execute("ANALYZE")
    return viewer


def ask(db: Database, asked: Asked, viewer: Member) -> int:
    """What a page does."""
    search.search(db, asked, viewer, limit=_PAGE)
    return int(search.count(db, asked, viewer)["total"])


def like(db: Database, asked: Asked, viewer: Member) -> int:
    """The same answer without an index of words: every row is read, and facets are counted."""
    terms = [f"%{word}%" for word in asked.text.replace('"', "").split()] or ["%"]
    condition = " AND ".join(
        "(title LIKE ? OR tags LIKE ? OR description LIKE ? OR documentation LIKE ?)" for _ in terms
    )
    given = tuple(term for term in terms for _ in range(4))
    where = f"deleted_at IS NULL AND visibility != 'private' AND {condition}"
    found = rows(db, f"SELECT * FROM designs WHERE {where} ORDER BY number DESC", given)  # noqa: S608
    rows(
        db,
        "SELECT facet, count(*) FROM facets JOIN designs USING (number)"  # noqa: S608
        f" WHERE {where} GROUP BY facet",
        given,
    )
    for item in found[:_PAGE]:
        library.shape(db, item | {"owner": viewer.name})
    return len(found)


def measure(store: Store, call: Callable[[Database], int], rounds: int) -> tuple[int, list[float]]:
    """How many it finds, and the milliseconds of each round after a first that is not counted."""
    taken, found = [], 0
    for _ in range(rounds + 1):
        with store.reading() as db:
            began = time.perf_counter()
            found = call(db)
            taken.append((time.perf_counter() - began) * 1000)
    return found, taken[1:]


def worst(taken: list[float]) -> float:
    """The 99th percentile; of fewer than a hundred, the largest."""
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * 0.99))]


if __name__ == "__main__":
    main()
