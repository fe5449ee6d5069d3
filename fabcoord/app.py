"""create_app(settings): wires everything into one Flask application."""

from __future__ import annotations

import functools

from flask import Flask, Response

from fabcoord.api import access, idempotency, intake, problems
from fabcoord.api.about import about
from fabcoord.api.agents import agents
from fabcoord.api.badges import badges
from fabcoord.api.batches import batches
from fabcoord.api.collections import collections
from fabcoord.api.conversation import conversation
from fabcoord.api.designs import designs
from fabcoord.api.documentation import documentation
from fabcoord.api.energy import energy
from fabcoord.api.files import files
from fabcoord.api.jobs import jobs
from fabcoord.api.moderation import moderation
from fabcoord.api.money import money
from fabcoord.api.notices import notices
from fabcoord.api.okh import okh
from fabcoord.api.pictures import pictures
from fabcoord.api.policy import policy
from fabcoord.api.printers import printers
from fabcoord.api.renders import making
from fabcoord.api.slicer_upload import slicer_upload
from fabcoord.api.spools import spools
from fabcoord.api.statistics import statistics
from fabcoord.api.streams import Places, events
from fabcoord.api.upkeep import upkeep
from fabcoord.api.uploads import MOST_AT_ONCE, TOO_MANY, uploads
from fabcoord.api.visitors import Buckets
from fabcoord.config import Settings
from fabcoord.lab import Lab, open_lab, warm_up
from fabcoord.queue.clockwork import Clockwork
from fabcoord.queue.spoolman import Link, Spoolman
from fabcoord.store import audit
from fabcoord.store.events import Tail
from fabcoord.web import pages

_MULTIPART_OVERHEAD = 1_000_000


def create_app(settings: Settings, lab: Lab | None = None) -> Flask:
    """The application of one lab. Nothing runs in the background until `start_background`."""
    app = Flask("fabcoord", static_folder=None)
    app.request_class = intake.LabRequest
    app.extensions["fabcoord"] = lab or open_lab(settings)
    app.extensions["fabcoord.places"] = Places(settings.max_streams)
    app.extensions["fabcoord.incoming"] = Places(MOST_AT_ONCE, TOO_MANY)
    app.extensions["fabcoord.visitors"] = Buckets()
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_upload_mb * 1_000_000 + _MULTIPART_OVERHEAD,
        MAX_FORM_MEMORY_SIZE=1_000_000,
    )
    app.before_request(access.guard)
    app.before_request(intake.refuse_oversized)
    app.after_request(_harden)
    app.teardown_request(intake.discard_unused)
    for resource in (designs, uploads, files, making, jobs, printers, policy, agents, events):
        app.register_blueprint(resource, url_prefix="/api/v1")
    for resource in (batches, badges, upkeep):
        app.register_blueprint(resource, url_prefix="/api/v1")
    for resource in (okh, documentation, pictures, conversation, collections, moderation):
        app.register_blueprint(resource, url_prefix="/api/v1")
    for resource in (spools, money, energy, statistics, notices):
        app.register_blueprint(resource, url_prefix="/api/v1")
    for resource in (about, slicer_upload):
        app.register_blueprint(resource)
    pages.register(app)
    problems.register(app)
    return app


def start_background(app: Flask) -> list[Tail | Clockwork | Link]:
    """Start what the server does beside answering requests; stop each with ``.stop()``."""
    lab: Lab = app.extensions["fabcoord"]
    idempotency.forget_interrupted(lab.store)
    running: list[Tail | Clockwork | Link] = [
        Tail(lab.store),
        Clockwork(
            lab.store,
            lab.preparation,
            lab.settings.offer_s,
            chores=[lab.uploads.remove_expired, functools.partial(audit.forget, lab.store)],
        ),
    ]
    if lab.settings.spoolman_url:
        running.append(Link(lab.store, Spoolman(lab.settings.spoolman_url)))
    for one in running:
        one.start()
    warm_up(lab)
    return running


def _harden(response: Response) -> Response:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("X-Frame-Options", "SAMEORIGIN")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault(
        "Content-Security-Policy",
        "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self';"
        " object-src 'none'; base-uri 'none'; frame-ancestors 'self'; form-action 'self'",
    )
    return response
