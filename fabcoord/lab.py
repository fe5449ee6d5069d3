"""One lab's parts, wired together: what the server, the workers and the command line share."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from fabcoord.config import Settings
from fabcoord.designs import checks, garbage, pictures, previews, renders, repairs
from fabcoord.designs import uploads as incoming
from fabcoord.designs.licences import PaidPrints, PrintRules
from fabcoord.designs.uploads import Uploads
from fabcoord.ledger.charges import Charges
from fabcoord.notices import news
from fabcoord.queue import batches, evidence, printers, room, spool_use, trials, upkeep
from fabcoord.queue.energy import Meter
from fabcoord.queue.policy import Policy
from fabcoord.queue.preparation import Preparation
from fabcoord.queue.record import Recorder
from fabcoord.slicing.cache import Slices
from fabcoord.slicing.prusaslicer import PrusaSlicer
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Store
from fabcoord.store.migrations import migrate
from fabcoord.store.spool import Spool
from fabcoord.work.engine import Engine
from fabcoord.work.sandbox import Limits


@dataclass(frozen=True, slots=True)
class Lab:
    """The parts of one lab. Made by `open_lab`."""

    settings: Settings
    store: Store
    blobs: BlobStore
    uploads: Uploads
    work: Engine
    slices: Slices
    preparation: Preparation
    charges: Charges


def warm_up(lab: Lab) -> None:
    """In a thread of its own, load what the first job would otherwise wait for.

    Also asks for the pictures that files of an older version lack.
    """

    def load() -> None:
        with lab.store.writing() as db:
            previews.ask_for_missing(db)
        with lab.store.reading() as db:
            machine_ids = printers.machines_here(db)
        lab.slices.warm(machine_ids)

    threading.Thread(target=load, name="warm-up", daemon=True).start()


def open_lab(settings: Settings) -> Lab:
    """Open the lab in ``settings.data_dir``, making or migrating its database."""
    store = Store(settings.database)
    migrate(store)
    blobs = BlobStore(settings.blobs)
    work = Engine(store, settings.work_dir, settings.work_url)
    limits = Limits(memory_bytes=settings.work_memory_mb << 20)
    slicer = PrusaSlicer(binary=Path(settings.slicer) if settings.slicer else None)
    slices = Slices(store, slicer, blobs, settings.work_dir)
    rules = PrintRules(PaidPrints(settings.paid_prints), settings.cooperative)
    preparation = Preparation(slices, Policy(settings.approval, settings.release), rules)
    for task in checks.tasks(store, blobs, settings.work_dir, limits, room.usual_nozzle_mm):
        work.register(task)
    work.register(renders.task(store, blobs, settings.work_dir, limits))
    work.register(repairs.task(store, blobs, settings.work_dir, limits))
    work.register(slices.task())
    work.register(pictures.task(store, blobs, settings.work_dir))
    work.register(garbage.task(store, blobs))
    work.register(trials.task(store, preparation.default))
    store.subscribe("file.checked", preparation.on_file_checked)
    store.subscribe("slice.done", preparation.on_slice_ended)
    store.subscribe("slice.failed", preparation.on_slice_ended)
    recorder = Recorder(preparation.default)
    recorder.register(store)
    recorder.catch_up(store)
    news.register(store)
    store.subscribe("job.awaiting_pickup", evidence.on_job_printed)
    for ended in ("finished", "failed", "cancelled"):
        store.subscribe(f"attempt.{ended}", upkeep.on_attempt_ended)
    store.subscribe("job.queued", batches.on_job_queued)
    charges = Charges(preparation)
    _book_prints(store, charges)
    uploads = _uploads(settings, store, blobs)
    return Lab(settings, store, blobs, uploads, work, slices, preparation, charges)


def _book_prints(store: Store, charges: Charges) -> None:
    """What prints take and cost is booked in the transaction that tells of them."""
    spool_use.subscribe(store)
    charges.subscribe(store)
    Meter(charges.preparation.default).subscribe(store)


def _uploads(settings: Settings, store: Store, blobs: BlobStore) -> Uploads:
    limits = incoming.Limits(
        largest_bytes=settings.max_upload_mb * 1_000_000,
        kept_s=settings.upload_keep_h * 3600.0,
        most_open=settings.uploads_open,
        most_open_bytes=settings.uploads_open_mb * 1_000_000,
    )
    return Uploads(store, blobs, Spool(settings.uploads), limits)
