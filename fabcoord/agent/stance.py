"""What the agent as a whole is up to; shared by all of its threads."""

from __future__ import annotations

import threading


class Stance:
    """Flags that only ever go up, and the journal's trouble, which comes and goes."""

    def __init__(self) -> None:
        self.draining = threading.Event()  # take nothing new; end when nothing is live
        self.cancelling = threading.Event()  # end live prints too
        self.superseded = threading.Event()  # another process has taken over this agent
        self.trouble = ""  # why the journal cannot be written, in one sentence

    def drain(self) -> None:
        """Take nothing new."""
        self.draining.set()

    def cancel(self) -> None:
        """End live prints."""
        self.draining.set()
        self.cancelling.set()

    def supersede(self) -> None:
        """Another process has taken over: say nothing more to the server, start nothing."""
        self.superseded.set()
        self.drain()
