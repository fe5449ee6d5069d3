"""Writes docs/reference/firmware.md from the firmware profiles: ``python -m`` this module."""

from __future__ import annotations

import sys

from fabcoord.printers.profiles import DEFAULT, FirmwareProfile, load_all

_HEAD = """\
# Firmware profiles

How each dialect of firmware wants to be spoken to over a serial port. Each profile is one TOML
file in `firmware_profiles/`; most say only what is different from `marlin2.toml`, which explains
every key. This page is written from them by `python -m fabcoord.printers.firmware_page`.

The profile is found by the name that the firmware gives itself (`M115`); the longest match wins,
and what nobody matches is spoken to as {default}. The setting `firmware` of a printer names a
profile outright. *Resets*: boards of this kind restart when the port is opened.
"""

_SCRIPTS = {
    "pause": "Pause and go aside",
    "resume": "Go back and on",
    "cool": "All heat off",
    "park": "Go aside, after a cancel",
    "release": "Release the motors",
    "end": "Wait for the last move",
    "sd_pause": "Pause a print from the card",
    "sd_resume": "Go on with a print from the card",
    "sd_cancel": "Cancel a print from the card",
    "restart": "Go on after a cut, when a person asks for it",
}


def page() -> str:
    """The whole page as Markdown."""
    known = load_all()
    order = sorted(known.values(), key=lambda profile: (profile.id != DEFAULT, profile.name))
    parts = [_HEAD.format(default=known[DEFAULT].name), _table(order)]
    parts += [_section(profile, known[DEFAULT]) for profile in order]
    return "\n".join(parts)


def _table(profiles: list[FirmwareProfile]) -> str:
    rows = [
        f"| `{profile.id}` | {profile.name} | {', '.join(f'`{m}`' for m in profile.matches)} "
        f"| {profile.receive_buffer_bytes} | {_yes(profile.window)} "
        f"| {_yes(profile.resets_on_open)} |"
        for profile in profiles
    ]
    return "\n".join(
        [
            "| id | firmware | recognised by | receive buffer (B) | several lines | resets |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _section(profile: FirmwareProfile, base: FirmwareProfile) -> str:
    lines = [f"## {profile.name}", "", profile.about, ""]
    lines += [f"- {fact}" for fact in _facts(profile)]
    for name, words in _SCRIPTS.items():
        script = profile.scripts.get(name, ())
        if profile is base or script != base.scripts.get(name):
            lines += ["", f"{words} (`{name}`):"]
            lines += ["", "```gcode", *script, "```"]
    return "\n".join([*lines, ""])


def _facts(profile: FirmwareProfile) -> list[str]:
    stop = " and ".join(
        f"`{part}`" if part.isprintable() else f"the byte {ord(part)} (Ctrl-X)"
        for part in profile.emergency_stop.split("\n")
    )
    when = "acted on at once" if profile.emergency_at_once else (
        "acted on at once where `M115` reports `EMERGENCY_PARSER`"
    )  # fmt: skip
    facts = [
        f"lines of up to {profile.longest_line_bytes} bytes, number and checksum included",
        f"asked whether it lives after {profile.probe_after_s:g} s without an answer",
        f"emergency stop: {stop}, {when}",
        f"hottest: {profile.max_hotend_c:g} °C hot end, {profile.max_bed_c:g} °C bed",
        f"may be silent for long: {', '.join(sorted(profile.long_commands, key=_by_code))}",
    ]
    if profile.keepalive_s:
        facts.append(f"asked with `M113` to say every {profile.keepalive_s} s that it is busy")
    if profile.sd_lower_case:
        facts.append("names on the card in lower case")
    return facts


def _by_code(code: str) -> tuple[str, int, str]:
    number = code[1:]
    return (code[0], int(number), "") if number.isdigit() else ("~", 0, code)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


if __name__ == "__main__":
    sys.stdout.write(page())
