"""What each G-code command does; a command that takes time is a generator of waiting times."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from fabcoord.printers.simulator.firmware import Firmware, Waiting
from fabcoord.printers.simulator.sdcard import SdCard

_CODE = re.compile(r"[GMT]\d+", re.IGNORECASE)
_WORD = re.compile(r"([A-Z])\s*(-?\d*\.?\d*)")
HOMING_S = 9.0
PROBING_S = 30.0
COLDEST_EXTRUSION_C = 170.0

Words = dict[str, float]


def execute(fw: Firmware, command: str) -> Waiting | None:
    """Carry out one command; what is returned has to be waited for."""
    code = _CODE.match(command)
    act = _COMMANDS.get(code[0].upper()) if code is not None else None
    if code is not None and act is not None:
        return act(fw, command[code.end() :].lstrip())
    fw.say(f'echo:Unknown command: "{command}"')
    return None


def _words(text: str) -> Words:
    """The parameters; one without a number, as in ``G28 X``, counts as zero."""
    found: Words = {}
    for letter, number in _WORD.findall(text.upper()):
        try:
            found[letter] = float(number or 0)
        except ValueError:
            found[letter] = 0.0
    return found


# Motion ------------------------------------------------------------------------------------


def _move(fw: Firmware, rest: str) -> Waiting | None:
    words = _words(rest)
    if fw.planner.full:
        return _move_when_room(fw, words)
    _plan(fw, words)
    return None


def _move_when_room(fw: Firmware, words: Words) -> Waiting:
    while fw.planner.full:
        yield fw.planner.room_at()
    _plan(fw, words)


def _plan(fw: Firmware, words: Words) -> None:
    warm = fw.hotend.temperature_c >= COLDEST_EXTRUSION_C
    if "E" in words and not warm:
        fw.say("echo: cold extrusion prevented")
    fw.planner.move(words, fw.now, may_extrude=warm)


def _all_moves_done(fw: Firmware, rest: str = "") -> Waiting:
    while (at := fw.planner.empty_at()) is not None:
        yield at


def _dwell(fw: Firmware, rest: str) -> Waiting:
    words = _words(rest)
    yield from _all_moves_done(fw)
    until = fw.now + words.get("S", 0.0) + words.get("P", 0.0) / 1000.0
    while fw.now < until:
        yield until


def _home(fw: Firmware, rest: str) -> Waiting:
    axes = [axis for axis in _words(rest) if axis in "XYZ"] or list("XYZ")
    yield from _all_moves_done(fw)
    until = fw.now + HOMING_S
    fw.planner.occupy(HOMING_S, fw.now)
    yield from _all_moves_done(fw)
    fw.planner.homed = fw.now >= until
    fw.planner.set_position(dict.fromkeys(axes, 0.0))


def _probe_bed(fw: Firmware, rest: str) -> Waiting:
    yield from _all_moves_done(fw)
    fw.planner.occupy(PROBING_S, fw.now)
    yield from _all_moves_done(fw)


def _set_position(fw: Firmware, rest: str) -> None:
    fw.planner.set_position(_words(rest))


def _where(fw: Firmware, rest: str) -> None:
    at = fw.planner.position
    fw.say(
        f"X:{at['X']:.2f} Y:{at['Y']:.2f} Z:{at['Z']:.2f} E:{at['E']:.2f} "
        f"Count X:{at['X'] * 80:.0f} Y:{at['Y'] * 80:.0f} Z:{at['Z'] * 400:.0f}"
    )


def _motors_off(fw: Firmware, rest: str) -> Waiting:
    yield from _all_moves_done(fw)
    fw.planner.homed = False


def _relative(relative: bool, axes: str) -> Callable[[Firmware, str], None]:
    return lambda fw, rest: fw.planner.set_relative(relative, axes)


# Heat --------------------------------------------------------------------------------------


def _set_hotend(fw: Firmware, rest: str) -> None:
    words = _words(rest)
    number = int(words.get("T", fw.heaters.tool))
    if number < len(fw.heaters.hotends):
        heater = fw.heaters.hotends[number]
        heater.target_c = words.get("S", words.get("R", heater.target_c))


def _set_bed(fw: Firmware, rest: str) -> None:
    words = _words(rest)
    bed = fw.heaters.bed
    bed.target_c = words.get("S", words.get("R", bed.target_c))


def _set_chamber(fw: Firmware, rest: str) -> None:
    if fw.heaters.chamber is not None:
        fw.heaters.chamber.target_c = _words(rest).get("S", 0.0)


def _tool(fw: Firmware, rest: str, *, number: int) -> Waiting:
    yield from _all_moves_done(fw)
    if number < len(fw.heaters.hotends):
        fw.heaters.tool = number
    else:
        fw.say(f"echo:T{number} Invalid extruder")


def _wait_for_hotend(fw: Firmware, rest: str) -> Waiting:
    _set_hotend(fw, rest)
    return _wait_for_heat(fw, lambda: fw.hotend.reached(also_cooling="R" in rest.upper()))


def _wait_for_bed(fw: Firmware, rest: str) -> Waiting:
    _set_bed(fw, rest)
    return _wait_for_heat(fw, lambda: fw.heaters.bed.reached(also_cooling="R" in rest.upper()))


def _wait_for_heat(fw: Firmware, reached: Callable[[], bool]) -> Waiting:
    yield from _all_moves_done(fw)
    fw.stop_waiting = False
    next_report = fw.now
    while not reached() and not fw.stop_waiting:
        if fw.now >= next_report and not fw.silent:
            next_report = fw.now + fw.real_second
            fw.say(f"{fw.temperatures()} W:?")
        yield fw.now + 0.25 + 0.01 * fw.real_second
    fw.stop_waiting = False


def _temperatures(fw: Firmware, rest: str) -> None:
    fw.answer = "" if fw.silent else fw.temperatures()


def _fan(fw: Firmware, rest: str) -> None:
    fw.fan = min(255, max(0, int(_words(rest).get("S", 255))))


def _fan_off(fw: Firmware, rest: str) -> None:
    fw.fan = 0


# Host --------------------------------------------------------------------------------------


def _who(fw: Firmware, rest: str) -> None:
    fw.say(
        "FIRMWARE_NAME:Marlin 2.1.2.5 (fabcoord simulator) PROTOCOL_VERSION:1.0 "
        "MACHINE_TYPE:fabcoord virtual printer EXTRUDER_COUNT:"
        f"{len(fw.heaters.hotends)}"
    )
    capabilities = {
        "SERIAL_XON_XOFF": False,
        "BINARY_FILE_TRANSFER": fw.binary is not None,
        "EEPROM": False,
        "AUTOREPORT_POS": False,
        "AUTOREPORT_TEMP": True,
        "PROGRESS": False,
        "PRINT_JOB": True,
        "AUTOLEVEL": False,
        "EMERGENCY_PARSER": fw.emergency_parser,
        "HOST_ACTION_COMMANDS": True,
        "PROMPT_SUPPORT": True,
        "SDCARD": fw.card is not None,
        "SD_WRITE": fw.card is not None,
        "AUTOREPORT_SD_STATUS": fw.card is not None,
        "THERMAL_PROTECTION": True,
        "MEATPACK": fw.meatpack,
        "CHAMBER_TEMPERATURE": fw.heaters.chamber is not None,
        "MOTION_MODES": False,
        "ARCS": False,
    }
    for name, there in capabilities.items():
        fw.say(f"Cap:{name}:{int(there or name in fw.promises)}")


def _report_temperatures(fw: Firmware, rest: str) -> None:
    fw.report_temperatures_s = _words(rest).get("S", 0.0)


def _keepalive(fw: Firmware, rest: str) -> None:
    words = _words(rest)
    if "S" in words:
        fw.keepalive_s = words["S"]
    else:
        fw.say(f"M113 S{fw.keepalive_s:.0f}")


def _echo(fw: Firmware, rest: str) -> None:
    prefix = ""
    while (match := re.match(r"([AEP])(\d)\s*", rest)) is not None:
        rest = rest[match.end() :]
        prefix += {"A1": "//", "E1": "echo:"}.get(match[0].strip(), "")
    fw.say(prefix + rest)


def _wait_for_user(fw: Firmware, rest: str) -> Waiting:
    yield from _all_moves_done(fw)
    fw.stop_waiting, fw.busy_with = False, "paused for user"
    fw.say("//action:paused")
    fw.say("echo:busy: paused for user")
    while not fw.stop_waiting:
        yield None
    fw.stop_waiting = False
    fw.say("//action:resumed")


def _change_filament(fw: Firmware, rest: str) -> Waiting:
    yield from _all_moves_done(fw)
    fw.ask("Filament change", "Continue", "Purge more")
    yield from _wait_for_user(fw, rest)
    if fw.prompt:  # the button at the printer was pressed instead
        fw.prompt = ""
        fw.say("//action:prompt_end")


def _answer(fw: Firmware, rest: str) -> None:
    if not fw.emergency_parser:
        fw.answer_prompt(int(_words(rest).get("S", 0)))


def _stop_waiting(fw: Firmware, rest: str) -> None:
    if not fw.emergency_parser:
        fw.stop_waiting = True


def _quick_stop(fw: Firmware, rest: str) -> None:
    if not fw.emergency_parser:
        fw.quick_stop()


def _kill(fw: Firmware, rest: str) -> None:
    fw.kill()


# SD card -----------------------------------------------------------------------------------


def _on_card(act: Callable[[Firmware, SdCard, str], None]) -> Callable[[Firmware, str], None]:
    def run(fw: Firmware, rest: str) -> None:
        if fw.card is None:
            fw.say('echo:Unknown command: "no SD card"')
        else:
            act(fw, fw.card, rest.strip())

    return run


def _sd_list(fw: Firmware, card: SdCard, rest: str) -> None:
    fw.say("Begin file list")
    for name, size in sorted(card.names().items()):
        fw.say(f"{name.upper()} {size}")
    fw.say("End file list")


def _sd_select(fw: Firmware, card: SdCard, rest: str) -> None:
    if card.select(rest):
        fw.say(f"echo:Now fresh file: {card.name}")
        fw.say(f"File opened: {card.name} Size: {card.size}")
        fw.say("File selected")
    else:
        fw.say(f"open failed, File: {rest}.")


def _sd_start(fw: Firmware, card: SdCard, rest: str) -> None:
    card.start()


def _sd_pause(fw: Firmware, card: SdCard, rest: str) -> None:
    card.pause()


def _sd_status(fw: Firmware, card: SdCard, rest: str) -> None:
    if rest.startswith("S"):
        fw.report_sd_s = _words(rest).get("S", 0.0)
    elif rest.startswith("C"):
        fw.say(f"Current file: {card.name or '(no file)'}")
    else:
        fw.say(card.status())


def _sd_write(fw: Firmware, card: SdCard, rest: str) -> None:
    if fw.binary is not None and rest == "B1":
        fw.say("echo:Switching to Binary Protocol")
        fw.binary.open()
        return
    card.open_for_writing(rest)
    fw.say(f"Writing to file: {rest}")


def _sd_written(fw: Firmware, card: SdCard, rest: str) -> None:
    card.close_written()
    fw.say("Done saving file.")


def _sd_delete(fw: Firmware, card: SdCard, rest: str) -> None:
    fw.say(f"File deleted:{rest}" if card.delete(rest) else f"Deletion failed, File: {rest}.")


def _sd_abort(fw: Firmware, card: SdCard, rest: str) -> None:
    card.stop()
    fw.planner.quick_stop()


def _nothing(fw: Firmware, rest: str) -> None:
    """Known to Marlin, without effect here."""


_COMMANDS: dict[str, Callable[[Firmware, str], Waiting | None]] = {
    "G0": _move,
    "G1": _move,
    "G4": _dwell,
    "G28": _home,
    "G29": _probe_bed,
    "G90": _relative(False, "XYZE"),
    "G91": _relative(True, "XYZE"),
    "G92": _set_position,
    "M82": _relative(False, "E"),
    "M83": _relative(True, "E"),
    "M114": _where,
    "M18": _motors_off,
    "M84": _motors_off,
    "M400": _all_moves_done,
    "M141": _set_chamber,
    "M104": _set_hotend,
    "M109": _wait_for_hotend,
    "M140": _set_bed,
    "M190": _wait_for_bed,
    "M105": _temperatures,
    "M106": _fan,
    "M107": _fan_off,
    "M155": _report_temperatures,
    "M0": _wait_for_user,
    "M1": _wait_for_user,
    "M600": _change_filament,
    "M876": _answer,
    "M108": _stop_waiting,
    "M110": _nothing,
    "M112": _kill,
    "M410": _quick_stop,
    "M113": _keepalive,
    "M115": _who,
    "M118": _echo,
    "M20": _on_card(_sd_list),
    "M23": _on_card(_sd_select),
    "M24": _on_card(_sd_start),
    "M25": _on_card(_sd_pause),
    "M27": _on_card(_sd_status),
    "M28": _on_card(_sd_write),
    "M29": _on_card(_sd_written),
    "M30": _on_card(_sd_delete),
    "M524": _on_card(_sd_abort),
    **dict.fromkeys(("G20", "G21", "M17", "M73", "M75", "M76", "M77", "M117"), _nothing),
    **dict.fromkeys(("M201", "M203", "M204", "M205", "M211", "M220", "M221", "M300"), _nothing),
    **dict.fromkeys(("M302", "M500", "M501", "M502", "M503", "M900"), _nothing),
    **{f"T{n}": functools.partial(_tool, number=n) for n in range(8)},
}
