"""Firmware profiles: found by what M115 says, their scripts filled but never run as code."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabcoord.errors import PrinterError
from fabcoord.printers import firmware_page, profiles


@pytest.mark.parametrize(
    ("firmware", "profile"),
    [
        ("Marlin 2.1.2.5 (Dec 1 2024)", "marlin2"),
        ("Marlin bugfix-2.1.x", "marlin2"),
        ("Marlin 1.1.9 (Github)", "marlin1"),
        ("Marlin V1; Sprinter/grbl mashup for gen6", "marlin1"),
        ("Prusa-Firmware 3.13.2 based on Marlin", "prusa_mk3"),
        ("Prusa-Firmware-Buddy 6.0.1+14848 (Github)", "prusa_buddy"),
        ("Repetier_1.0.4", "repetier"),
        ("RepRapFirmware for Duet 2 WiFi/Ethernet", "reprapfirmware"),
        ("Smoothieware, FIRMWARE_URL:http%3A//smoothieware.org", "smoothieware"),
        ("Klipper", "klipper"),
        ("something else", "marlin2"),
        ("", "marlin2"),
    ],
)
def test_the_profile_is_found_by_what_the_firmware_says(firmware: str, profile: str) -> None:
    assert profiles.detect(firmware).id == profile


def test_every_profile_can_do_what_a_print_needs() -> None:
    place = {"x": 1.0, "y": 2.0, "z": 3.5, "e": 4.0, "f": 1500.0}
    for profile in profiles.load_all().values():
        assert profile.script("cool")[:2] == ["M104 S0", "M140 S0"]
        assert "M400" in profile.script("end")
        assert profile.script("pause", **place, xyz_mode="G90", e_mode="M83")
        resume = profile.script("resume", **place, xyz_mode="G90", e_mode="M83")
        assert "G1 Z3.5 F600" in resume
        assert resume.index("G90") < resume.index("M83")
        assert profile.script("park")
        assert profile.script("release")


def test_a_profile_says_only_what_is_different_from_its_base() -> None:
    marlin1, marlin2 = profiles.load_all()["marlin1"], profiles.load_all()["marlin2"]
    assert marlin1.scripts["pause"] == marlin2.scripts["pause"]
    assert marlin1.scripts["sd_cancel"] != marlin2.scripts["sd_cancel"]
    assert marlin1.probe_after_s > marlin2.probe_after_s
    assert marlin1.long_commands == marlin2.long_commands


def test_no_window_is_larger_than_the_receive_buffer_that_the_firmware_has() -> None:
    for profile in profiles.load_all().values():
        assert profile.longest_line_bytes < profile.receive_buffer_bytes
        assert profile.receive_buffer_bytes <= 128 or profile.id == "klipper"


def test_a_base_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PrinterError, match=r"odd\.toml"):
        _written(tmp_path, 'name="x"\nmatches=["x"]\nbase="nothing"')


def test_the_page_of_the_documentation_says_what_the_files_say() -> None:
    path = Path(__file__).parents[2] / "docs/reference/firmware.md"
    assert path.read_text("utf-8") == firmware_page.page(), (
        "write it anew: python -m fabcoord.printers.firmware_page > docs/reference/firmware.md"
    )


def _written(directory: Path, text: str) -> profiles.FirmwareProfile:
    (directory / "odd.toml").write_text(text)
    return profiles.load_all(directory)["odd"]


def test_scripts_are_text_not_code(tmp_path: Path) -> None:
    odd = _written(tmp_path, 'name="x"\nmatches=["x"]\n[scripts]\nend="M117 {x.__class__} {e!r}"')
    assert odd.script("end") == ["M117 {x.__class__} {e!r}"]


def test_a_name_nobody_gives_a_value_is_an_error(tmp_path: Path) -> None:
    odd = _written(tmp_path, 'name="x"\nmatches=["x"]\n[scripts]\nend="G1 X{nowhere}"')
    with pytest.raises(PrinterError, match="nowhere"):
        odd.script("end")


def test_a_broken_profile_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrinterError, match=r"odd\.toml"):
        _written(tmp_path, "name = ")
