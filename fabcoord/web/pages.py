"""Registers the pages, their templates and their static files."""

from __future__ import annotations

from typing import Any

from flask import Flask, g

from fabcoord.api.access import is_visitor, session
from fabcoord.api.context import lab
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import prices
from fabcoord.web import api_docs, words
from fabcoord.web.batches import batches
from fabcoord.web.collections import collections
from fabcoord.web.designs import designs
from fabcoord.web.files import static, static_url
from fabcoord.web.frame import came_from, of_unrouted
from fabcoord.web.jobs import jobs
from fabcoord.web.kiosk import kiosk
from fabcoord.web.library import pages as library
from fabcoord.web.members import members
from fabcoord.web.menu import places
from fabcoord.web.meshes import meshes
from fabcoord.web.money import money
from fabcoord.web.notices import notices
from fabcoord.web.people import people
from fabcoord.web.release import release
from fabcoord.web.renders import making
from fabcoord.web.rules import rules
from fabcoord.web.sign_in import sign_in
from fabcoord.web.spools import spools
from fabcoord.web.staff import staff
from fabcoord.web.statistics import statistics
from fabcoord.web.terms import meanings, terms
from fabcoord.web.views import views


def register(app: Flask) -> None:
    """Add the pages to the application."""
    for family in (
        static,
        sign_in,
        kiosk,
        designs,
        meshes,
        making,
        jobs,
        staff,
        members,
        views,
        terms,
        library,
        collections,
        statistics,
        notices,
        spools,
        money,
        release,
        rules,
        batches,
        people,
    ):
        app.register_blueprint(family)
    for status in (404, 405):
        app.register_error_handler(status, of_unrouted)
    app.context_processor(_common)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        static_url=static_url, words=words, came_from=came_from, meanings=meanings
    )
    filters = {
        "when": words.when,
        "ago": words.ago,
        "duration": words.duration,
        "size": words.size,
        "volume": words.volume,
        "percent": words.percent,
        "degrees": words.degrees,
        "api_groups": api_docs.groups,
        "money": prices.words,
        "kwh": words.kwh,
    }
    app.jinja_env.filters.update(filters)


def _common() -> dict[str, Any]:
    """What every template may use: the lab's name, who is signed in, and what they may do."""
    signed_in: Member | None = None if is_visitor() else g.get("member")
    open_session = session()
    may = {
        permission.name.lower(): signed_in is not None and signed_in.may(permission)
        for permission in Permission
    }
    return {
        "lab_name": lab().settings.lab_name,
        "me": signed_in,
        "public_library": lab().settings.public_library,
        "may": may,
        "menu": places(signed_in),
        "csrf": open_session.csrf if open_session else "",
    }
