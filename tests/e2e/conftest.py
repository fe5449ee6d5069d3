"""A running lab for the tests of this folder, idle before each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.lab import RunningLab


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with RunningLab(tmp_path_factory.mktemp("lab")) as lab:
        lab.prepare()
        lab.put_up_simulators()
        yield lab.start()


@pytest.fixture
def lab(running: RunningLab) -> RunningLab:
    """The lab, with nothing to do, clear plates and empty logs of its printers."""
    running.settle()
    return running
