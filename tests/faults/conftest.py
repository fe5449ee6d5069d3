"""One lab to be hard on: virtual printers, a real OctoPrint, and a slicer that can be held up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.fast_octoprint import FastOctoPrint
from tests.e2e.lab import RunningLab
from tests.faults.gated_slicer import GatedSlicer


@pytest.fixture(scope="module")
def slicer(tmp_path_factory: pytest.TempPathFactory) -> GatedSlicer:
    return GatedSlicer(tmp_path_factory.mktemp("slicer"))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, slicer: GatedSlicer) -> Iterator[RunningLab]:
    # Given in the environment, as it is where systemd starts the lab.
    environment = {"FABCOORD_SLICER": str(slicer.path)}
    with RunningLab(tmp_path_factory.mktemp("lab"), environment=environment) as lab:
        lab.prepare()
        lab.put_up_simulators()
        yield lab.start()


@pytest.fixture
def lab(running: RunningLab, slicer: GatedSlicer) -> RunningLab:
    """The lab, with nothing to do, clear plates and empty logs of its printers."""
    slicer.open()
    running.settle()
    return running


@pytest.fixture(scope="module")
def octoprint(
    tmp_path_factory: pytest.TempPathFactory, running: RunningLab
) -> Iterator[FastOctoPrint]:
    """An OctoPrint that is a printer of the lab."""
    if not FastOctoPrint.installed():
        pytest.skip("OctoPrint is not installed; run script/install-octoprint")
    server = FastOctoPrint(tmp_path_factory.mktemp("octoprint"))
    server.start()
    try:
        server.add_to(running)
        running.until_printer("Octo", "awaiting_clearance")
        yield server
    finally:
        server.stop()
