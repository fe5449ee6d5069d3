"""Pairing: the agent shows a code, a person types it at the server, the agent gets a token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fabcoord.agent import identity as identities
from fabcoord.agent.client import Backoff, Client, Waiting
from fabcoord.agent.identity import Identity
from fabcoord.errors import TooBusy

POLL_S = 2.0


def pair(
    data_dir: Path,
    server: str,
    name: str,
    *,
    say: Callable[[str], None],
    wait: Callable[[float], bool],
) -> Identity | None:
    """Pair with ``server`` and keep the identity; None if the agent was stopped meanwhile.

    ``say`` tells the person at the terminal what to do; ``wait`` waits that many seconds and
    returns True when the agent is to stop. Raises BadInput when the server refuses the request.
    """
    client, backoff, shown = Client(server), Backoff(cap_s=30.0), ""
    secret = identities.pairing_secret(data_dir)
    try:
        while True:
            pause_s = POLL_S
            try:
                answer = client.pair(name, secret)
                backoff.reset()
            except TooBusy as error:
                pause_s = max(POLL_S, backoff.next_s())
                if shown != str(error):
                    shown = str(error)
                    say(f"{error} Trying again.")
            else:
                if isinstance(answer, Identity):
                    found = replace(answer, server=server)
                    identities.save(data_dir, found)
                    identities.forget_pairing_secret(data_dir)
                    say(f"Paired with {server}.")
                    return found
                shown = _show(answer, server, shown, say)
            if wait(pause_s):
                return None
    finally:
        client.close()


def _show(answer: Waiting, server: str, shown: str, say: Callable[[str], None]) -> str:
    """Show the code when it is new; codes expire and are replaced."""
    if shown != answer.code:
        say(
            f"To let this agent in, sign in as staff at {server}, open Printers, "
            f"choose “Add an agent”, and type the code  {answer.code}"
        )
    return answer.code
