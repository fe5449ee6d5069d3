"""Open Know-How in and out: manifests, bundles, and what is wrong with a manifest."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api import intake
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import MOST_JSON_BYTES, Resource, json_object
from fabcoord.designs import library
from fabcoord.designs.okh import bundle, describe, importing
from fabcoord.designs.okh.describe import Described
from fabcoord.designs.okh.importing import Kept
from fabcoord.designs.okh.manifest import is_manifest_name, kind_of, write
from fabcoord.errors import BadInput
from fabcoord.members.roles import Permission
from fabcoord.queue.made import made
from fabcoord.store.sqlite import Database

okh = Resource("okh", __name__)

_TEXTS = "licences"
_MOST_UNPACKED = 4  # times the largest upload


@okh.route_to(
    "POST", "/designs/import", Permission.CONTRIBUTE,
    "Bring an Open Know-How bundle, or a manifest with its files (multipart)", answer="Design",
    status=201,
)  # fmt: skip
def bring() -> Any:
    text = intake.form_text(("licence", "visibility"))
    design, findings = import_files(text["licence"], text["visibility"])
    return design | {"findings": findings}, {"Location": f"/api/v1/designs/{design['id']}"}


@okh.route_to(
    "POST", "/okh/validate", Permission.READ, "Say what is wrong with a manifest (text or file)"
)
def validate() -> Any:
    if intake.is_json():
        sent = json_object()
        text, name = sent.get("text"), sent.get("name", "")
        if not isinstance(text, str) or not isinstance(name, str):
            raise BadInput("text is the manifest.", fields={"text": "text"})
        return judge(text.encode("utf-8", "surrogatepass"), name)
    files = intake.take_files()
    if len(files) != 1:
        raise BadInput("One manifest at a time.", fields={"file": "one"})
    with files[0].path.open("rb") as file:
        return judge(file.read(MOST_JSON_BYTES), files[0].name)


@okh.route_to(
    "GET", "/designs/<design_id>/okh.toml", Permission.BROWSE, "Its manifest, version 2.4"
)
def toml(design_id: str) -> Any:
    with lab().store.reading() as db:
        text = write(describe.toml(_described(db, design_id)))
    return Response(text, mimetype="application/toml")


@okh.route_to("GET", "/designs/<design_id>/okh.yml", Permission.BROWSE, "Its manifest, version 1")
def yaml(design_id: str) -> Any:
    with lab().store.reading() as db:
        text = write(describe.v1(_described(db, design_id)))
    return Response(text, mimetype="application/yaml")


@okh.route_to(
    "GET", "/designs/<design_id>/bundle", Permission.BROWSE,
    "All of it in one zip: manifests, files, hashes, licence texts",
)  # fmt: skip
def packed(design_id: str) -> Any:
    blobs = lab().blobs
    with lab().store.reading() as db:
        entries = bundle.plan(db, _described(db, design_id), lab().settings.data_dir / _TEXTS)
    for one in entries:
        if one.data is None:
            blobs.path(one.sha256)  # raises before the first byte is sent
    response = Response(bundle.stream(entries, blobs), mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="design-{design_id}.zip"'
    response.set_etag(bundle.etag(entries))
    return response.make_conditional(request)


def import_files(licence: str, visibility: str = "") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Make a design of the files of this request; the design and the findings."""
    files = intake.take_files()
    limit = lab().settings.max_upload_mb * 1_000_000 * _MOST_UNPACKED
    unpacked = importing.read([(one.name, one.path) for one in files], intake.scratch(), limit)
    sent = {one.name: Kept(one.sha256, one.size, one.keep, one.path) for one in files}
    kept = {path: sent.get(path) or _kept(place) for path, place in unpacked.files.items()}
    claims = [one.claim for one in files if one.claim is not None]
    with lab().store.writing(durable=True) as db:
        design_id = importing.store(
            db, member(), unpacked, kept, licence=licence.strip(),
            visibility=visibility or "lab", claims=claims,
        )  # fmt: skip
        return library.get(db, design_id), unpacked.findings


def judge(text: bytes, name: str) -> dict[str, Any]:
    """Validate the text of a manifest."""
    if not is_manifest_name(name):
        name = f"okh.{'toml' if kind_of(text, name) == 'toml' else 'yml'}"
    return importing.judge(text, name, intake.scratch())


def _kept(place: Any) -> Kept:
    writer = intake.writer_of_request()
    with place.open("rb") as source:
        while chunk := source.read(1 << 20):
            writer.write(chunk)
    place.unlink()
    writer.sync()
    return Kept(writer.sha256, writer.size, writer.commit, writer.temporary_path)


def _described(db: Database, design_id: str) -> Described:
    design = library.get(db, design_id)
    return bundle.described(db, design, request.host_url.rstrip("/"), made(db, design_id))
