"""The wheel holds everything that the program needs at run time, and works without the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "fabcoord", "firmware_profiles")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel, built from a copy so that the checkout stays as it is, was unpacked."""
    directory = tmp_path_factory.mktemp("wheel")
    source = directory / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignore)
        else:
            shutil.copy(ROOT / name, source)
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index",
         "--wheel-dir", str(directory), str(source)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = directory.glob("fabcoord-*.whl")
    zipfile.ZipFile(wheel).extractall(directory / "installed")
    return directory / "installed"


def files_below(directory: Path) -> set[str]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return {str(p.relative_to(directory)) for p in found if "__pycache__" not in p.parts}


def test_every_file_of_the_package_is_in_the_wheel(installed: Path) -> None:
    assert files_below(installed / "fabcoord") >= files_below(ROOT / "fabcoord")


def test_firmware_profiles_and_machines_are_in_the_wheel(installed: Path) -> None:
    packed = files_below(installed / "fabcoord/_firmware_profiles")
    assert packed == files_below(ROOT / "firmware_profiles")
    assert "machines/demo.ini" in packed


def test_the_licence_goes_with_the_program(installed: Path) -> None:
    (licence,) = installed.glob("fabcoord-*.dist-info/licenses/LICENSE")
    assert licence.read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_an_installed_fabcoord_finds_its_own_data(installed: Path, tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from fabcoord.printers import data, machines, profiles\n"
        "assert str(data.data_dir()).startswith(sys.argv[1]), data.data_dir()\n"
        "print(*machines.all_machines(), *profiles.load_all())"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", script, str(installed)],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert {"demo", "prusa_mk3s", "marlin2"} <= set(run.stdout.split())
