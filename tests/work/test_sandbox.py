"""The sandbox: what runs in it stays within its limits, and nothing of it stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fabcoord.work import sandbox
from fabcoord.work.sandbox import Completed, Limits

LONGEST_S = 20.0


def run(script: str, cwd: Path, *arguments: str, **limits: float) -> Completed:
    argv = [sys.executable, "-c", script, *arguments]
    return sandbox.run(argv, cwd=cwd, limits=Limits(**limits))  # type: ignore[arg-type]


def until(happened: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


def pid_in(path: Path) -> int:
    until(lambda: path.exists() and path.read_text().endswith("\n"), f"{path.name} was written")
    return int(path.read_text())


def test_it_says_how_the_process_ended_and_what_it_wrote(tmp_path: Path) -> None:
    done = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert (done.ended_by, done.signal_name) == ("itself", None)


def test_it_runs_in_a_directory_of_its_own_with_a_bare_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FABCOORD_SECRET", "hunter2")
    done = run("import os; print(os.getcwd(), dict(os.environ))", tmp_path / "made")
    assert str(tmp_path / "made") in done.stdout
    assert "hunter2" not in done.stdout
    assert f"'HOME': '{tmp_path / 'made'}'" in done.stdout


def test_memory_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    done = run("b'x' * (600 << 20)", tmp_path, memory_bytes=400 << 20)
    assert done.returncode != 0
    assert "MemoryError" in done.stderr


def test_a_process_that_only_computes_is_ended_by_its_cpu_time(tmp_path: Path) -> None:
    done = run("while True: pass", tmp_path, cpu_s=1, wall_s=LONGEST_S)
    assert (done.signal_name, done.ended_by) == ("SIGKILL", "itself")


def test_a_process_that_only_waits_is_ended_by_the_clock(tmp_path: Path) -> None:
    done = run("import time; time.sleep(60)", tmp_path, wall_s=0.3)
    assert done.ended_by == "wall"
    assert done.signal_name == "SIGKILL"
    assert done.wall_s < LONGEST_S


def test_a_file_cannot_grow_beyond_the_limit(tmp_path: Path) -> None:
    script = "import shutil; f = open('big', 'wb')\nfor _ in range(100): f.write(bytes(1 << 20))"
    done = run(script, tmp_path, file_size_bytes=5 << 20)
    assert done.returncode != 0
    assert (tmp_path / "big").stat().st_size <= 5 << 20


def test_it_cannot_hold_more_files_open_than_allowed(tmp_path: Path) -> None:
    done = run("files = [open('/dev/null') for _ in range(100)]", tmp_path, open_files=32)
    assert "Too many open files" in done.stderr


def test_what_it_left_running_is_killed_with_it(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('grandchild', 'w').write(f'{child.pid}\\n')"
    )
    done = run(script, tmp_path)
    assert done.returncode == 0
    grandchild = pid_in(tmp_path / "grandchild")
    until(lambda: gone(grandchild), "the grandchild was gone")


def gone(pid: int) -> bool:
    """Whether no such process runs; one that nobody has waited for counts as gone."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_it_ends_when_nobody_wants_it_any_more(tmp_path: Path) -> None:
    started = threading.Event()

    def cancelled() -> bool:
        return started.is_set()

    done = sandbox.run(
        [sys.executable, "-uc", "print('here')\nimport time; time.sleep(60)"],
        cwd=tmp_path,
        limits=Limits(),
        cancelled=cancelled,
        on_line=lambda line: started.set(),
    )
    assert done.ended_by == "cancelled"
    assert done.stdout == "here\n"


def test_lines_are_heard_as_they_come(tmp_path: Path) -> None:
    heard: list[str] = []
    sandbox.run(
        [sys.executable, "-c", "print('10 %'); print('20 %', end='')"],
        cwd=tmp_path,
        limits=Limits(),
        on_line=heard.append,
    )
    assert heard == ["10 %", "20 %"]


def test_endless_output_is_kept_to_its_end(tmp_path: Path) -> None:
    script = "import sys\nfor _ in range(80): sys.stdout.write('x' * (1 << 20))\nprint('end')"
    before = psutil.Process().memory_info().rss
    done = run(script, tmp_path)
    assert done.stdout.endswith("xend\n")
    assert len(done.stdout) == 64 * 1024
    assert psutil.Process().memory_info().rss - before < 40 << 20, "a long line grew in our memory"


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    child = "import os, time; open('child', 'w').write(f'{os.getpid()}\\\\n'); time.sleep(60)"
    script = (
        "import sys; from pathlib import Path\n"
        "from fabcoord.work import sandbox\n"
        f"sandbox.run([sys.executable, '-c', \"{child}\"], cwd=Path({str(tmp_path)!r}),"
        " limits=sandbox.Limits())"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    pid = pid_in(tmp_path / "child")
    assert not gone(pid)
    parent.kill()
    parent.wait()
    until(lambda: gone(pid), "the child died with its parent")


def test_a_program_that_does_not_exist_is_an_exit_code(tmp_path: Path) -> None:
    done = sandbox.run([tmp_path / "nowhere"], cwd=tmp_path, limits=Limits())
    assert done.returncode not in (0, None)
    assert "nowhere" in done.stderr


def test_our_own_modules_ignore_what_lies_in_the_directory(tmp_path: Path) -> None:
    (tmp_path / "platform.py").write_text("print('hijacked')")
    argv = sandbox.python_module("platform")
    assert os.path.basename(argv[0]).startswith("python")
    done = sandbox.run(argv, cwd=tmp_path, limits=Limits())
    assert "hijacked" not in done.stdout
    assert done.returncode == 0
