"""Every line of a printer is understood or put aside; none is an error of ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.printers.serial import parser
from fabcoord.printers.serial.parser import Heat, LineSplitter, parse


@given(st.binary(max_size=3000))
def test_any_bytes_are_taken(data: bytes) -> None:
    for line in LineSplitter().feed(data + b"\n"):
        assert len(line) <= parser.LONGEST_LINE_BYTES
        parse(line)


_WORDS = ["ok", "T:", "B:", "/", "Resend:", "N", "Error:", "Cap:", "SD printing byte", "9" * 30]


@given(st.lists(st.sampled_from([*_WORDS, " ", "1", "-", ".", "\0", "FIRMWARE_NAME:"])))
def test_lines_that_look_nearly_right_are_taken_too(parts: list[str]) -> None:
    parse("".join(parts).encode())


@given(st.binary(), st.lists(st.integers(1, 9), max_size=20))
def test_lines_do_not_depend_on_how_they_arrive(data: bytes, cuts: list[int]) -> None:
    whole, pieces = LineSplitter(), LineSplitter()
    expected = whole.feed(data + b"\n")
    found = []
    rest = data + b"\n"
    for cut in cuts:
        found += pieces.feed(rest[:cut])
        rest = rest[cut:]
    assert found + pieces.feed(rest) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ok", parser.Ok()),
        ("ok N12 P15 B3", parser.Ok(12, None, 15, 3)),
        ("ok 12", parser.Ok(12)),
        (
            "ok T:21.50 /200.00 B:60.1 /60.00 @:12 B@:3",
            parser.Ok(None, Heat(21.5, 200.0, 60.1, 60.0)),
        ),
        (" T:21.50 /0.00 B:20.0 /0.00 @:0 B@:0", parser.Report(Heat(21.5, 0.0, 20.0, 0.0))),
        (
            "T0:21.5 /0 T1:99 /0",
            parser.Report(Heat(21.5, 0.0, others=(parser.Heater("T1", 99.0, 0.0),))),
        ),
        # Marlin with two hot ends, the second in use, and a chamber
        (
            "ok T:200.0 /210.0 B:60.0 /60.0 T0:21.5 /0.0 T1:200.0 /210.0 C:40.0 /45.0 @:99 B@:20",
            parser.Ok(
                None,
                Heat(
                    *(21.5, 0.0, 60.0, 60.0),
                    (parser.Heater("T1", 200.0, 210.0), parser.Heater("C", 40.0, 45.0)),
                ),
            ),
        ),
        ("T:9999.00 /0.00", parser.Report(Heat(None, 0.0))),
        ("Resend: 15", parser.Resend(15)),
        ("Resend:N15", parser.Resend(15)),
        ("rs N15 more", parser.Resend(15)),
        ("rs 15", parser.Resend(15)),
        ("echo:busy: processing", parser.Busy("processing")),
        ("busy: paused for user", parser.Busy("paused for user")),
        ("wait", parser.Wait()),
        ("start", parser.Started()),
        ("SD printing byte 12/345", parser.SdProgress(12, 345)),
        ("Not SD printing", parser.SdIdle(False)),
        ("Done printing file", parser.SdIdle(True)),
        ("File opened: A B.GCO Size: 99", parser.SdFile("A B.GCO", 99, opened=True)),
        (
            "FIRMWARE_NAME:Marlin 2.1 (x) SOURCE_CODE_URL:y",
            parser.Firmware("Marlin 2.1 (x)"),
        ),
        ("Cap:EMERGENCY_PARSER:1", parser.Capability("EMERGENCY_PARSER", True)),
        ("X:1.00 Y:-2.50 Z:3.00 E:4.00 Count X:80", parser.Position(1.0, -2.5, 3.0, 4.0)),
        ("//action:pause", parser.Action("pause")),
        ("// action:notification Hello you", parser.Action("notification", "Hello you")),
        (
            "Error:Line Number is not Last Line Number+1, Last Line: 4",
            parser.LineFault("Line Number is not Last Line Number+1, Last Line: 4"),
        ),
        (
            "Error:Printer halted. kill() called!",
            parser.Failure("Printer halted. kill() called!", True),
        ),
        ("Error:MINTEMP triggered", parser.Failure("MINTEMP triggered", True)),
        ("Error:volume.init failed", parser.Failure("volume.init failed", False)),
        ("okay then", parser.Other("okay then")),
        # Repetier: targets in lines of their own
        ("TargetExtr0:210", parser.Report(Heat(hotend_target_c=210.0))),
        ("TargetBed:60", parser.Report(Heat(bed_target_c=60.0))),
        # Ultimaker and old Marlin while waiting for heat: no target
        ("T:150.2 E:0 W:?", parser.Report(Heat(150.2))),
        (
            "ok T:-15.0 /0.0 B:24.1 /0.0 T0:-15.0 /0.0 @:0",
            parser.Ok(None, Heat(-15.0, 0.0, 24.1, 0.0)),
        ),
        # Klipper: bed first, spaces; Prusa: more sensors behind
        ("ok B:24.6 /0.0 T0:27.0 /0.0", parser.Ok(None, Heat(27.0, 0.0, 24.6, 0.0))),
        (
            "T:25.1 /0.0 B:25.0 /0.0 T0:25.1 /0.0 @:0 B@:0 P:0.0 A:28.4",
            parser.Report(Heat(25.1, 0.0, 25.0, 0.0)),
        ),
        ("T:20.0 /0.0 (512.3) B:21 /0 (99)", parser.Report(Heat(20.0, 0.0, 21.0, 0.0))),
        ("ok T:nan /0.0 B:21.0 /0.0", parser.Ok(None, Heat(None, None, 21.0, 0.0))),
        ("busy:processing", parser.Busy("processing")),
        ("Busy: heating", parser.Busy("heating")),
        ("//busy: doing", parser.Busy("doing")),
        ("echo:busy: paused for input", parser.Busy("paused for input")),
        ("echo:M117 I am busy: really", parser.Other("echo:M117 I am busy: really")),
        ("\ufffd\x80start", parser.Started()),
        ("echo: External Reset", parser.Started()),
        ("echo:Restart the print", parser.Other("echo:Restart the print")),
        ("SD print paused", parser.SdPaused()),
        ("Print saved", parser.SdPaused()),
        (
            "Current file: FCABCDEF.GCO a long name.gcode",
            parser.SdFile("FCABCDEF.GCO a long name.gcode"),
        ),
        ("Current file: (no file)", parser.SdFile("")),
        ("Writing to file: a.gco", parser.SdWriting(saved=False)),
        ("Done saving file.", parser.SdWriting(saved=True)),
        ("open failed, File: a.gco.", parser.SdRefused("open failed, File: a.gco.")),
        ("fatal:Heater/sensor error", parser.Failure("Heater/sensor error", True)),
        (
            "!! Shutdown due to webhooks request",
            parser.Failure("Shutdown due to webhooks request", True),
        ),
        ("!! Must home axis first", parser.Failure("Must home axis first", False)),
        (
            "Error:Printer stopped due to errors. Fix the error and use M999",
            parser.Failure("Printer stopped due to errors. Fix the error and use M999", True),
        ),
    ],
)
def test_what_firmware_says(line: str, message: parser.Message) -> None:
    assert parse(line.encode()) == message


def test_an_error_in_two_lines_is_one() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"ok\nErr") == [b"ok"]
    assert splitter.feed(b"or:0\n") == []
    (line,) = splitter.feed(b": Extruder switched off. MAXTEMP triggered !\n")
    assert parse(line) == parser.Failure("0: Extruder switched off. MAXTEMP triggered !", True)
    assert splitter.feed(b"Error:1\nok\nok\n") == [b"Error:1", b"ok", b"ok"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_plain_oks_are_counted_without_being_parsed(end: bytes) -> None:
    assert LineSplitter().only_oks(b"ok" + end) == 1
    assert LineSplitter().only_oks((b"ok" + end) * 3) == 3
    for more in (b"", b"ok", b"ok N5", b"ok T:20.0 /0.0", b"ok" + end + b"wait" + end, b"o"):
        assert LineSplitter().only_oks(more) == 0
    half = LineSplitter()
    half.feed(b"Resend: 1")
    assert half.only_oks(b"ok" + end) == 0, "that is the end of another line"
