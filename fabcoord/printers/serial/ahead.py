"""Lines that plain oks let go out: known before the oks come, sent at once, counted afterwards.

A processor that has slept until an ok came is slow at first. So little is done between the ok and
the line that it lets go, and what is to be counted is counted for several lines together.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from fabcoord.printers.serial.flow import Flow
from fabcoord.printers.serial.link import SerialLink
from fabcoord.printers.serial.parser import LineSplitter, Message, Ok

COUNT_AFTER_S = 0.1  # at the latest, if nothing more is heard
_OK = Ok()


@dataclass(frozen=True, slots=True)
class Heard:
    """One message, and the commands that are known to be taken since the one before."""

    message: Message
    taken: list[str]


def hear_taken(heard: list[Heard], taken: list[str]) -> None:
    """Plain oks have said that these commands are taken."""
    if heard and heard[-1].message is _OK:
        heard[-1].taken.extend(taken)
    else:
        heard.append(Heard(_OK, taken))


def stream(
    link: SerialLink,
    flow: Flow,
    lines: LineSplitter,
    heard: list[Heard],
    *,
    may_send: bool,
    wake_fd: int,
    wait_s: float | None,
) -> tuple[bytes, bool]:
    """Wait; while nothing but plain oks comes, send what they let go out.

    Args:
        lines: cuts what arrives; is not given the oks that are answered here.
        heard: is told of those.
        may_send: the printer is there for lines of ours.
        wake_fd: a pipe that ends the wait.
        wait_s: how long to wait for the first word; None for ever.

    Returns what else was said, and whether somebody wants us. Raises LinkLost.
    """
    data, woken = b"", False
    ready = flow.after_oks() if may_send else []
    heard_at: list[float] = []  # one for each of them that is sent
    while not data and not woken:
        arrived, woken = link.wait(wake_fd, wait_s)
        if not arrived:
            break
        data = link.read()
        oks, sent = lines.only_oks(data), len(heard_at)
        if 0 < oks <= len(ready) - sent:
            link.write(ready[sent] if oks == 1 else b"".join(ready[sent : sent + oks]))
            heard_at += [time.monotonic()] * oks
            data, wait_s = b"", COUNT_AFTER_S
            if sent + oks + 1 >= len(ready):
                break  # so that there are more before the next ok
    more = b""
    for out, at in zip(ready, heard_at, strict=False):
        hear_taken(heard, flow.hear_oks(1, at))
        more = (flow.due(at) or b"")[len(out) :]
    link.write(more)
    return data, woken
