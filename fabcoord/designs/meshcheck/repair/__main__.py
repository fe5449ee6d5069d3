"""Repairs one design file and writes what came of it.

Writes ``repair.json`` and, where it is worth having, ``repaired.stl``; exit 0 when it did.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

from fabcoord.designs.meshcheck.readers import read
from fabcoord.designs.meshcheck.repair.plan import Repaired, repair
from fabcoord.designs.meshcheck.repair.report import (
    REPAIRED_NAME,
    RESULT_NAME,
    Options,
    Outcome,
    Result,
)
from fabcoord.designs.meshcheck.stl import write_stl
from fabcoord.errors import FabcoordError


def main() -> int:
    """Repair the file; 0 when a result is written, whatever it says."""
    parser = argparse.ArgumentParser(prog="repair", description="Repair one design file.")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--format", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--options", default="{}", help="Options as JSON")
    given = parser.parse_args()
    began = time.perf_counter()
    done = _repaired(given.input, given.format, Options(**json.loads(given.options)))
    if done.triangles is not None:
        write_stl(given.out / REPAIRED_NAME, done.triangles)
    result = replace(done.result, duration_s=round(time.perf_counter() - began, 3))
    unfinished = given.out / (RESULT_NAME + ".part")
    unfinished.write_text(result.to_json(), encoding="utf-8")
    unfinished.replace(given.out / RESULT_NAME)
    return 0


def _repaired(path: Path, file_format: str, options: Options) -> Repaired:
    try:
        return repair(read(path, file_format), options)
    except FabcoordError as error:
        return Repaired(Result(Outcome.IMPOSSIBLE, str(error)), None)
    except MemoryError:
        text = "The model needs more memory to repair than is allowed here. Export it coarser."
        return Repaired(Result(Outcome.IMPOSSIBLE, text), None)
    except Exception:  # a hostile file may break any parser in any way; the result must say so
        traceback.print_exc()
        text = "The file cannot be repaired: it is damaged in a way that nothing here expects."
        return Repaired(Result(Outcome.IMPOSSIBLE, text), None)


if __name__ == "__main__":
    sys.exit(main())
