"""A large file over a link that drops: does it arrive, how long, and how much memory it takes.

Run it with the lab's own interpreter: ``.venv/bin/python bench/upload.py``. The file goes through
a proxy that cuts the connection after every so many megabytes, sent by tuspy as tus pieces; beside
it the same file as one form, over the link without cuts and over the one with them. Memory is the
PSS of the web server's processes: the most while the file came, less what it was before. The goal
is the right hash with a growth of at most 32 MB. Prints a table; nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import requests
from tusclient.client import TusClient

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.e2e.cut_link import CutLink  # noqa: E402
from tests.e2e.web_process import WebProcess  # noqa: E402

MB = 1_000_000
GOAL_MB = 32


class Watch:
    """Samples the memory of the web server while the block runs."""

    def __init__(self, web: WebProcess) -> None:
        self._web, self._stop = web, threading.Event()
        self.before = web.pss_bytes()
        self.most, self.samples = self.before, 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.most = max(self.most, self._web.pss_bytes())
            self.samples += 1

    @property
    def growth_mb(self) -> float:
        return (self.most - self.before) / MB

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size-mb", type=int, default=500)
    options.add_argument("--drop-mb", type=int, default=20)
    options.add_argument("--piece-mb", type=int, default=50)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "long.gcode"
        sha256 = make(path, asked.size_mb * MB)
        print(f"{asked.size_mb} MB, a link that drops every {asked.drop_mb} MB")
        print(f"{'way':<34}{'arrived':>9}{'time':>9}{'cuts':>6}{'sent':>9}{'memory':>10}")
        with WebProcess(Path(directory) / "lab") as web:
            warm(web, Path(directory))
            settle(web)
            by_tus(web, path, sha256, asked)
            by_form(web, path, sha256, asked.size_mb * 10 * MB, "one form, no cuts")
            by_form(web, path, sha256, asked.drop_mb * MB, "one form, the same cuts")
    print(f"memory: growth of the web server's PSS; goal for tus: {GOAL_MB} MB")


def make(path: Path, size: int) -> str:
    """G-code comments of random digits: bytes that nothing on the way can pack."""
    made, found = random.Random(4), hashlib.sha256()
    with path.open("wb") as file:
        while size > 0:
            piece = (b"; " + made.randbytes(30_000).hex().encode() + b"\n")[:size]
            file.write(piece)
            found.update(piece)
            size -= len(piece)
    return found.hexdigest()


def warm(web: WebProcess, directory: Path) -> None:
    """One small upload before, so that what is loaded once does not count."""
    small = directory / "small.gcode"
    make(small, 100_000)
    client = TusClient(f"{web.url}/api/v1/uploads", headers=web.headers)
    client.uploader(str(small)).upload()
    with small.open("rb") as file:
        send_form(web, web.url, file, small.name)


def settle(web: WebProcess) -> None:
    """Wait until the server has done what it does after its start."""
    seen = [web.pss_bytes()]
    while len(seen) < 6 or max(seen[-6:]) - min(seen[-6:]) > MB / 2:
        time.sleep(1)
        seen.append(web.pss_bytes())


def by_tus(web: WebProcess, path: Path, sha256: str, asked: Any) -> None:
    with CutLink(web.port, asked.drop_mb * MB) as link, Watch(web) as watch:
        began = time.monotonic()
        client = TusClient(f"{link.url}/api/v1/uploads", headers=web.headers)
        uploader = client.uploader(
            str(path), chunk_size=asked.piece_mb * MB, retries=1000, retry_delay=0,
            metadata={"filename": path.name},
        )  # fmt: skip
        uploader.upload()
        design = requests.post(
            f"{web.url}/api/v1/designs", headers=web.headers, timeout=300,
            json={"upload_id": uploader.url.rpartition("/")[2], "licence": "CC0-1.0"},
        ).json()  # fmt: skip
        tell("tus (tuspy)", design, sha256, began, link, watch)


def by_form(web: WebProcess, path: Path, sha256: str, drop_bytes: int, way: str) -> None:
    with CutLink(web.port, drop_bytes) as link, Watch(web) as watch, path.open("rb") as file:
        began = time.monotonic()
        try:
            design = send_form(web, link.url, file, path.name)
        except requests.RequestException:
            design = {}
        tell(way, design, sha256, began, link, watch)


def send_form(web: WebProcess, url: str, file: Any, name: str) -> dict[str, Any]:
    """As a form that is streamed, which requests does not do by itself."""
    boundary = b"----bench"
    head = (
        b"--%b\r\nContent-Disposition: form-data; name=licence\r\n\r\nCC0-1.0\r\n"
        b'--%b\r\nContent-Disposition: form-data; name=file; filename="%b"\r\n\r\n'
    ) % (boundary, boundary, name.encode())

    def body() -> Any:
        yield head
        while piece := file.read(1 << 16):
            yield piece
        yield b"\r\n--%b--\r\n" % boundary

    answer = requests.post(
        f"{url}/api/v1/designs", data=body(), timeout=300,
        headers=web.headers | {"Content-Type": "multipart/form-data; boundary=----bench"},
    )  # fmt: skip
    found: dict[str, Any] = answer.json()
    return found


def tell(
    way: str, design: dict[str, Any], sha256: str, began: float, link: CutLink, watch: Watch
) -> None:
    took_s = time.monotonic() - began
    files = (design.get("revision") or {}).get("files") or [{"sha256": ""}]
    arrived = "yes" if files[0]["sha256"] == sha256 else "no"
    print(
        f"{way:<34}{arrived:>9}{took_s:>7.1f} s{link.cuts:>6}{link.sent_bytes / MB:>6.0f} MB"
        f"{watch.growth_mb:>7.1f} MB"
        f"   from {watch.before / MB:.1f} MB, {watch.samples} samples"
    )


main()
