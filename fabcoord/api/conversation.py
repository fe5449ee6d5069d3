"""Comments, likes and makes of a design."""

from __future__ import annotations

from typing import Any

from fabcoord.api import schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, wanted_version
from fabcoord.designs import conversation as talk
from fabcoord.designs import library
from fabcoord.designs import makes as prints
from fabcoord.designs.makes import Evidence
from fabcoord.errors import BadInput
from fabcoord.members.roles import Permission
from fabcoord.queue import evidence
from fabcoord.store.sqlite import Database

conversation = Resource("conversation", __name__)


@conversation.route_to(
    "GET", "/designs/<design_id>/comments", Permission.BROWSE, "Comments, each with its answers",
    answer="Comment[]",
)  # fmt: skip
def comments(design_id: str) -> Any:
    with lab().store.reading() as db:
        library.get(db, design_id)
        return page(talk.threads(db, member(), design_id), None)


@conversation.route_to(
    "POST", "/designs/<design_id>/comments", Permission.CONTRIBUTE, "Comment, or answer one",
    body=schemas.NewComment, answer="Comment", status=201,
)  # fmt: skip
def comment(design_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        comment_id = talk.comment(db, member(), design_id, body["text"], body["parent_id"])
        return talk.get(db, member(), comment_id), {"Location": f"/api/v1/comments/{comment_id}"}


@conversation.route_to(
    "GET", "/comments/<comment_id>", Permission.BROWSE, "One comment", answer="Comment"
)
def show_comment(comment_id: str) -> Any:
    with lab().store.reading() as db:
        return talk.get(db, member(), comment_id)


@conversation.route_to(
    "PATCH", "/comments/<comment_id>", Permission.CONTRIBUTE, "Change one's own comment",
    body=schemas.CommentChange, answer="Comment",
)  # fmt: skip
def edit_comment(comment_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        talk.edit(db, member(), comment_id, body["text"], wanted_version())
        return talk.get(db, member(), comment_id)


@conversation.route_to(
    "DELETE", "/comments/<comment_id>", Permission.CONTRIBUTE, "Take one's own comment back",
    status=204,
)  # fmt: skip
def delete_comment(comment_id: str) -> Any:
    with lab().store.writing(durable=True) as db:
        talk.delete(db, member(), comment_id)


@conversation.route_to(
    "POST", "/designs/<design_id>/like", Permission.CONTRIBUTE, "Like it, or no longer",
    body=schemas.Like, answer="Likes",
)  # fmt: skip
def like(design_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing() as db:
        count = talk.like(db, member(), design_id, likes=body["likes"])
    return {"likes": count, "is_liked": body["likes"]}


@conversation.route_to(
    "GET", "/designs/<design_id>/makes", Permission.BROWSE, "Prints of it", answer="Make[]"
)
def makes(design_id: str) -> Any:
    with lab().store.reading() as db:
        library.get(db, design_id)
        return page(prints.of_design(db, member(), design_id), None)


@conversation.route_to(
    "GET", "/designs/<design_id>/evidence", Permission.BROWSE,
    "Which revisions are known to print, on what, in what", answer="Evidence[]",
)  # fmt: skip
def show_evidence(design_id: str) -> Any:
    with lab().store.reading() as db:
        library.get(db, design_id)
        return page(prints.evidence(db, design_id), None)


@conversation.route_to(
    "POST", "/designs/<design_id>/makes", Permission.CONTRIBUTE,
    "Record a print of it: a finished job, or one made elsewhere", body=schemas.NewMake,
    answer="Make", status=201,
)  # fmt: skip
def make(design_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        made = evidence_of(db, design_id, body)
        make_id = prints.add(db, member(), design_id, made, body["outcome"], body["note"])
        return prints.get(db, member(), make_id), {"Location": f"/api/v1/makes/{make_id}"}


@conversation.route_to("GET", "/makes/<make_id>", Permission.BROWSE, "One print", answer="Make")
def show_make(make_id: str) -> Any:
    with lab().store.reading() as db:
        return prints.get(db, member(), make_id)


@conversation.route_to(
    "PATCH", "/makes/<make_id>", Permission.CONTRIBUTE, "Change outcome or note",
    body=schemas.MakeChange, answer="Make",
)  # fmt: skip
def change_make(make_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        prints.change(db, member(), make_id, body)
        return prints.get(db, member(), make_id)


@conversation.route_to(
    "DELETE", "/makes/<make_id>", Permission.CONTRIBUTE, "Take one's own make back", status=204
)
def delete_make(make_id: str) -> Any:
    with lab().store.writing(durable=True) as db:
        prints.delete(db, member(), make_id)


def evidence_of(db: Database, design_id: str, said: dict[str, Any]) -> Evidence:
    """With what a print was made: what the job knows, or what its maker says."""
    if said["job_id"]:
        printed, made = evidence.of_job(db, member(), said["job_id"])
        if printed != design_id:
            raise BadInput("That job printed another design.", fields={"job_id": "another design"})
        return made
    newest = library.get(db, design_id)["revision"]["number"]
    return Evidence(
        revision=said["revision"] or newest,
        machine=said["machine"],
        material=said["material"],
        quality=said["quality"],
        nozzle_mm=said["nozzle_mm"],
        layer_mm=said["layer_mm"],
    )
