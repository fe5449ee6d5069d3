"""Who may see what: sign-in, where it leads, forms from elsewhere, programs and browsers."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fabcoord.api.access import SESSION_COOKIE
from fabcoord.app import create_app
from fabcoord.config import Settings
from fabcoord.designs import library
from fabcoord.designs.library import NewFile
from fabcoord.lab import Lab
from fabcoord.members import accounts
from fabcoord.members.roles import Role
from fabcoord.queue import agents, jobs, printers
from fabcoord.web.frame import local_path

from .conftest import PASSWORD, cube


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = create_app(Settings(data_dir=tmp_path))
    lab: Lab = app.extensions["fabcoord"]
    with lab.store.writing() as db:
        accounts.create(db, "Ada", Role.ADMIN, password=PASSWORD)
        accounts.create(db, "Grace", Role.MEMBER, password=PASSWORD)
        accounts.create(db, "Kiosk", Role.KIOSK, password=PASSWORD)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def enter(client: FlaskClient, name: str, to: str = "/") -> TestResponse:
    return client.post("/sign-in", data={"name": name, "password": PASSWORD, "next": to})


def csrf(app: Flask, client: FlaskClient) -> str:
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    with app.extensions["fabcoord"].store.reading() as db:
        session = accounts.session(db, cookie.value)
    assert session is not None
    return session.csrf


def test_who_is_not_signed_in_is_led_to_the_sign_in_page_and_back(client: FlaskClient) -> None:
    refused = client.get("/jobs?whose=all")
    assert refused.status_code == 303
    assert refused.headers["Location"] == "/sign-in?next=/jobs%3Fwhose%3Dall"
    assert enter(client, "Grace", "/jobs?whose=all").headers["Location"] == "/jobs?whose=all"
    assert client.get("/jobs?whose=all").status_code == 200


def test_a_page_part_asks_the_whole_browser_to_sign_in(client: FlaskClient) -> None:
    refused = client.get("/kiosk", headers={"HX-Request": "true"})
    assert refused.headers["HX-Redirect"] == "/sign-in?next=/kiosk"


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)",
     "/\t/evil.example", "evil.example", "http:/evil", "http://[", ""],
)  # fmt: skip
def test_an_address_on_another_site_is_not_a_place_to_go_on_to(elsewhere: str) -> None:
    assert local_path(elsewhere) == "/"


def test_nobody_is_led_to_another_site_by_signing_in(client: FlaskClient) -> None:
    assert enter(client, "Grace", "//evil.example/").headers["Location"] == "/"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    client: FlaskClient,
) -> None:
    cookie = enter(client, "Grace").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_a_wrong_password_is_told_and_the_name_is_kept(client: FlaskClient) -> None:
    refused = client.post("/sign-in", data={"name": "Grace", "password": "wrong wrong"})
    assert refused.status_code == 401
    assert b"do not belong together" in refused.data
    assert b'value="Grace"' in refused.data
    assert "Set-Cookie" not in refused.headers


def test_a_sign_in_form_on_another_site_is_refused(client: FlaskClient) -> None:
    refused = client.post(
        "/sign-in",
        data={"name": "Grace", "password": PASSWORD},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert refused.status_code == 403
    assert "Set-Cookie" not in refused.headers


def test_a_form_without_the_token_of_its_session_changes_nothing(
    app: Flask, client: FlaskClient
) -> None:
    enter(client, "Ada")
    form = {"name": "Eve", "role": "admin", "password": PASSWORD}
    assert client.post("/members", data=form).status_code == 403
    with app.extensions["fabcoord"].store.reading() as db:
        assert accounts.by_name(db, "Eve") is None
    form["csrf"] = csrf(app, client)
    assert client.post("/members", data=form).status_code == 303
    with app.extensions["fabcoord"].store.reading() as db:
        assert accounts.by_name(db, "Eve") is not None


def test_every_view_of_the_pages_says_who_may_see_it(app: Flask) -> None:
    views = {name: view for name, view in app.view_functions.items() if name.startswith("pages_")}
    assert len(views) > 30
    assert [name for name, view in views.items() if not hasattr(view, "needed")] == []


@pytest.mark.parametrize("address", ["/members", "/printers"])
def test_members_and_kiosks_see_nothing_of_the_staff(client: FlaskClient, address: str) -> None:
    for name in ("Grace", "Kiosk"):
        enter(client, name)
        assert client.get(address).status_code == 403
        client.delete_cookie(SESSION_COOKIE)


def test_the_kiosk_starts_in_the_room(client: FlaskClient) -> None:
    enter(client, "Kiosk")
    assert client.get("/").headers["Location"] == "/kiosk"
    assert b"Nothing is waiting" in client.get("/kiosk").data


def test_an_unknown_address_is_a_page_for_people_and_a_problem_for_programs(
    client: FlaskClient,
) -> None:
    page = client.get("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 404
    assert page.mimetype == "text/html"
    for path, accept in (("/nowhere", "*/*"), ("/api/v1/nowhere", "text/html")):
        assert client.get(path, headers={"Accept": accept}).mimetype == "application/problem+json"


def test_the_api_can_be_read_without_signing_in(client: FlaskClient) -> None:
    page = client.get("/api/docs")
    assert page.status_code == 200
    assert b"/api/v1/printers/{printer_id}/clear" in page.data
    assert b"attempt_id" in page.data


def test_a_body_that_is_too_large_is_told_on_the_form(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, max_upload_mb=1))
    with app.extensions["fabcoord"].store.writing() as db:
        accounts.create(db, "Ada", Role.ADMIN, password=PASSWORD)
    client = app.test_client()
    enter(client, "Ada")
    form = {"licence": "CC0-1.0", "file": (BytesIO(bytes(1_500_000)), "big.stl")}
    said = client.post("/designs/new", data=form, headers={"X-CSRF-Token": csrf(app, client)})
    assert said.status_code == 413
    assert b"larger than this lab takes" in said.data
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []


def test_staff_reject_a_job_with_words_for_its_member(app: Flask, client: FlaskClient) -> None:
    lab: Lab = app.extensions["fabcoord"]
    with lab.store.writing() as db:
        grace, ada = accounts.by_name(db, "Grace"), accounts.by_name(db, "Ada")
        assert grace is not None
        assert ada is not None
        new = NewFile("part.stl", lab.blobs.add(cube()), 684, "stl")
        design = library.create(db, grace, title="Part", licence="CC0-1.0", files=[new])
        job_id = jobs.create(db, lab.preparation, grace, {"design_id": design})
    enter(client, "Grace")
    assert "Reject it" not in client.get(f"/jobs/{job_id}").text
    form = {"csrf": csrf(app, client), "reason": "No."}
    assert client.post(f"/jobs/{job_id}/reject", data=form).status_code == 403
    client.delete_cookie(SESSION_COOKIE)
    enter(client, "Ada")
    assert "Reject it" in client.get(f"/jobs/{job_id}").text
    form = {"csrf": csrf(app, client), "back": f"/jobs/{job_id}", "reason": "Too thin."}
    said = client.post(f"/jobs/{job_id}/reject", data=form, follow_redirects=True)
    assert "Ada: Too thin." in said.text


def test_gcode_is_not_told_to_be_unprintable(app: Flask, client: FlaskClient) -> None:
    lab: Lab = app.extensions["fabcoord"]
    with lab.store.writing() as db:
        grace = accounts.by_name(db, "Grace")
        assert grace is not None
        new = NewFile("part.gcode", lab.blobs.add(b"G28\n"), 4, "gcode")
        design = library.create(db, grace, title="Part", licence="CC0-1.0", files=[new])
    enter(client, "Grace")
    said = client.get(f"/designs/{design}").text
    assert "Sliced elsewhere" in said
    assert "annot be printed" not in said


def test_staff_add_a_printer_and_let_an_agent_in(app: Flask, client: FlaskClient) -> None:
    store = app.extensions["fabcoord"].store
    with store.writing() as db:
        code = agents.ask_to_pair(db, "x" * 40, "back room")["code"]
    enter(client, "Ada")
    token = csrf(app, client)
    printer = {"csrf": token, "name": "Left", "machine": "demo", "driver": "serial", "port": ""}
    refused = client.post("/printers", data=printer)
    assert refused.status_code == 400
    assert b"settings.port" in refused.data
    assert b'value="Left"' in refused.data
    added = client.post("/printers", data=printer | {"port": "/dev/ttyACM0", "baud": "115200"})
    assert added.status_code == 303
    with store.reading() as db:
        (made,) = printers.everyone(db)
    assert made["settings"] == {"port": "/dev/ttyACM0", "baud": 115200}

    wrong = client.post("/agents/approve", data={"csrf": token, "code": "NOPE-NOPE"})
    assert b"No agent shows that code" in wrong.data
    assert client.post("/agents/approve", data={"csrf": token, "code": code}).status_code == 303
    with store.writing() as db:
        assert "token" in agents.ask_to_pair(db, "x" * 40, "back room")

    change = {"csrf": token, "material": "PETG", "colour": "black"}
    client.post(f"/printers/{made['id']}/loaded", data=change)
    client.post(f"/printers/{made['id']}/maintenance", data={"csrf": token})
    with store.reading() as db:
        now = printers.get(db, made["id"])
    assert (now["material"], now["colour"], now["state"]) == ("PETG", "black", "maintenance")


def test_a_token_is_made_with_the_password_and_shown_once(app: Flask, client: FlaskClient) -> None:
    enter(client, "Grace")
    form = {"csrf": csrf(app, client), "label": "laptop", "password": "not mine at all"}
    assert client.post("/account/tokens", data=form).status_code == 403
    page = client.post("/account/tokens", data=form | {"password": PASSWORD}).text
    token = page.partition('<code class="token">')[2].partition("<")[0]
    with app.extensions["fabcoord"].store.reading() as db:
        owner = accounts.by_token(db, token)
    assert owner is not None
    assert owner.name == "Grace"
    assert token not in client.get("/account").text
