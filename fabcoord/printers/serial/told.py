"""What a printer's page tells of the line to it: how lines travel and why, what it can do."""

from __future__ import annotations

from fabcoord.printers.serial.connection import Connection


def details(connection: Connection) -> dict[str, str]:
    """In words, for who looks after the printer."""
    can = sorted(name for name, there in connection.capabilities.items() if there)
    told = {
        "flow": flow_in_words(connection),
        "firmware profile": connection.profile.name,
        "capabilities": ", ".join(can),
    }
    return {name: words for name, words in told.items() if words}


def flow_in_words(connection: Connection) -> str:
    """How many lines are on their way at once, and why."""
    window, profile = connection.flow.window, connection.profile
    if not connection.ready:
        return ""
    if window.bytes:
        whose = "its firmware allows it" if profile.window else "the lab asked for it"
        return f"window of {window.bytes} bytes, as {whose}"
    if window.faults:
        return f"one line at a time for now: {window.faults} times lines of a window were damaged"
    if window.most_bytes:
        return "one line at a time for now"
    if profile.window:
        return "one line at a time, as the lab asked for it"
    return "one line at a time, as its firmware profile allows no more"
