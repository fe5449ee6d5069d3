"""script/install sets a checkout up without touching what is there, and says what it cannot do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# All that script/install runs when nothing has to be installed from apt.
TOOLS = (
    "bash",
    "env",
    "dirname",
    "readlink",
    "mkdir",
    "flock",
    "cat",
    "sha256sum",
    "python3",
    "id",
)


def install(checkout: Path, part: str = "agent", **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [checkout / "script/install", part],
        cwd="/", env=os.environ | environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkout, set up: its program prints its arguments, its requirements are empty."""
    root = tmp_path_factory.mktemp("a checkout") / "fabcoord"
    (root / "script").mkdir(parents=True)
    shutil.copy(ROOT / "script/install", root / "script")
    (root / "requirements-agent.txt").write_text("# none\n")
    (root / "fabcoord").mkdir()
    (root / "fabcoord/__init__.py").touch()
    (root / "fabcoord/__main__.py").write_text("import sys\nprint('fabcoord', *sys.argv[1:])\n")
    done = install(root, PIP_NO_INDEX="1")
    assert done.returncode == 0, done.stderr
    assert "Installing the Python packages of requirements-agent.txt" in done.stderr
    return root


def run(command: Path, *arguments: str) -> str:
    done = subprocess.run([command, *arguments], cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_command_is_there_and_works_from_any_directory(checkout: Path) -> None:
    assert (
        run(checkout / ".venv/bin/fabcoord", "agent", "--name", "a b")
        == "fabcoord agent --name a b"
    )


def test_the_command_works_through_a_link(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "fabcoord").symlink_to(checkout / ".venv/bin/fabcoord")
    assert run(tmp_path / "fabcoord", "doctor") == "fabcoord doctor"


def test_a_checkout_may_be_moved(checkout: Path) -> None:
    moved = checkout.rename(checkout.with_name("moved"))
    try:
        assert run(moved / ".venv/bin/fabcoord", "serve") == "fabcoord serve"
        assert install(moved, PIP_NO_INDEX="1").stderr == ""
    finally:
        moved.rename(checkout)


def test_a_second_time_installs_nothing(checkout: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (checkout / ".venv").iterdir()}
    done = install(checkout)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path: path.stat().st_mtime_ns for path in (checkout / ".venv").iterdir()} == before


def test_changed_requirements_are_installed(checkout: Path) -> None:
    (checkout / "requirements-agent.txt").write_text("# still none\n")
    assert "Installing" in install(checkout, PIP_NO_INDEX="1").stderr
    assert install(checkout).stderr == ""


def test_requirements_without_hashes_are_refused(checkout: Path) -> None:
    kept = (checkout / "requirements-agent.txt").read_text()
    (checkout / "tiny-1-py3-none-any.whl").touch()
    (checkout / "requirements-agent.txt").write_text("./tiny-1-py3-none-any.whl\n")
    try:
        done = install(checkout, PIP_NO_INDEX="1")
    finally:
        (checkout / "requirements-agent.txt").write_text(kept)
    assert done.returncode != 0
    assert "Hashes are required" in done.stderr
    assert install(checkout, PIP_NO_INDEX="1").returncode == 0


def test_a_command_that_somebody_installed_by_hand_stays(checkout: Path) -> None:
    command = checkout / ".venv/bin/fabcoord"
    kept = command.read_text()
    command.write_text("#!/bin/sh\necho by hand\n")
    try:
        assert install(checkout).returncode == 0
        assert run(command) == "by hand"
    finally:
        command.write_text(kept)


def test_without_apt_or_root_it_says_what_is_missing_and_goes_on(
    checkout: Path, tmp_path: Path
) -> None:
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (tmp_path / tool).symlink_to(found)
    (checkout / "requirements-server.txt").write_text("# none\n")
    done = install(checkout, "server", PATH=str(tmp_path), PIP_NO_INDEX="1")
    assert "Missing here: prusa-slicer. As root run: apt-get install prusa-slicer" in done.stderr
    assert done.returncode == 0


def test_a_part_that_there_is_not_is_refused(checkout: Path) -> None:
    done = install(checkout, "everything")
    assert done.returncode == 2
    assert "server, agent, test" in done.stderr
