"""Crashes and power cuts in the middle of the work: the files that are left tell a true story."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import disk
from tests.faults.crash import Look, copies
from tests.faults.disk import Told
from tests.faults.persons import Persons
from tests.faults.plant import Plant, environment_of
from tests.faults.power_cut import replay

pytestmark = pytest.mark.faults

_LOOKS, _CUTS = 12, 60


@dataclass
class Run:
    """A lab that worked, with all that happened to its files."""

    root: Path
    log: Path
    told: Told
    looks: list[Look]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Eight prints on four printers of three agents, stopped and looked at again and again."""
    place = tmp_path_factory.mktemp("crash")
    root, log = place / "site", place / "log"
    library = None if disk.why_not() else disk.build(place)
    told = Told(log)
    environment = environment_of(root, library, log)
    plant = Plant(root, agent_count=2, printer_count=4, environment=environment, told=told)
    with plant, Persons(plant):
        jobs: list[str] = []
        work = threading.Thread(
            target=lambda: jobs.extend(plant.ask(number) for number in range(8))
        )
        work.start()
        plant.make_token()
        plant.pay_in()
        looks = list(copies(plant, _LOOKS, random.Random(2), place / "copy"))
        work.join()
        for job_id in jobs:
            plant.lab.until_job(job_id, "awaiting_pickup")
    return Run(root, log, told, looks)


def test_the_files_of_a_busy_lab_are_consistent_at_any_moment(run: Run) -> None:
    assert len(run.looks) == _LOOKS
    assert not [look for look in run.looks if look.problems]
    assert run.looks[-1].told > run.looks[0].told


@pytest.mark.skipif(bool(disk.why_not()), reason=disk.why_not())
def test_whatever_was_confirmed_survives_a_power_cut(run: Run, tmp_path: Path) -> None:
    told = {said["kind"] for said in run.told.so_far()}
    assert told >= {"job", "approved", "cleared", "token", "paired", "deposit"}
    cuts = list(replay(run.root, run.log, _CUTS, seed=1, scratch=tmp_path))
    assert len(cuts) == _CUTS
    assert not [cut for cut in cuts if cut.problems]
