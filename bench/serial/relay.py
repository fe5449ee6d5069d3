"""``relay.py LINK PORT``: stands between a host and a printer, and tells when M112 arrives.

The moment is that of reading its bytes at the far end of the host's pseudo-terminal, on the clock
that all processes of a machine share.
"""

from __future__ import annotations

import os
import select
import sys
import time
import tty
from pathlib import Path


def main(link: Path, port: str) -> None:
    host, other = os.openpty()
    tty.setraw(other)
    printer = os.open(port, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(printer)
    link.symlink_to(os.ttyname(other))
    print("ready", flush=True)
    last = b""  # M112 may come in two pieces
    while True:
        for fd in select.select((host, printer), (), ())[0]:
            data = os.read(fd, 4096)
            now = time.monotonic()
            if fd == printer:
                os.write(host, data)
                continue
            if b"M112" in last + data:
                print(now, flush=True)
                last = b""
            else:
                last = data[-3:]
            os.write(printer, data)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
