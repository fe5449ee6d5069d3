"""Every page passes axe's rules of WCAG 2.2 AA; those with all the parts in dark as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from fabcoord.members.roles import Member
from fabcoord.queue import printers

from .conftest import Agent, Served, ask_for, seen, sign_in, store_design

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

pytestmark = pytest.mark.browser


def complaints(page: Page) -> list[str]:
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES
    )
    assert len(found["passes"]) >= 8, "axe looked at nothing"
    return [
        f"{page.url}: {rule['help']}: {node['html'][:160]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_used_by_everybody(
    served: Served, admin: Member, agent: Agent, page: Page, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    to_clear, broken, ready, away = (
        agent.add_printer(admin, name, plate_clear=name == "Three", colour="white")
        for name in ("One", "Two", "Three", "Four")
    )
    agent.says(
        seen(to_clear), seen(broken, "attention", reason="Thermal runaway."),
        seen(ready), seen(away, "offline", reason="Unplugged."),
    )  # fmt: skip
    with served.lab.store.writing() as db:
        printers.set_maintenance(db, admin, away, True)
    design_id = store_design(served, admin, "Bracket")
    job_id = ask_for(served, admin, design_id, printer_id=to_clear)

    page.goto("/sign-in")
    found = complaints(page)
    sign_in(page, "Ada")
    addresses = ["/", f"/designs/{design_id}", f"/jobs/{job_id}", "/printers"]
    if scheme == "light":  # the others are made of the same parts
        addresses += ["/kiosk", "/designs", "/designs/new", "/jobs", "/members", "/account"]
        addresses += ["/api/docs", "/nowhere"]
    for address in addresses:
        page.goto(address)
        found += complaints(page)
    assert found == []
