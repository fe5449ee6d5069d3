"""Any order of beginnings, pieces, cuts, wrong checksums and take-backs, against a simple model."""

from __future__ import annotations

import hashlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from fabcoord.app import create_app
from fabcoord.config import Settings
from fabcoord.lab import open_lab
from fabcoord.members import accounts
from fabcoord.members.roles import Role
from fabcoord.store.spool import Spool

from .conftest import Caller
from .test_tus import PIECE, TUS, send, sha

PIECES = st.binary(max_size=40)


@dataclass
class Model:
    """What an upload should be."""

    place: str
    size: int | None
    data: bytes = b""

    @property
    def room(self) -> int:
        return 10_000 if self.size is None else self.size - len(self.data)


class Tus(RuleBasedStateMachine):
    """One member with any number of uploads; the server may start anew at any moment."""

    uploads: Bundle[Model] = Bundle("uploads")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.lab = open_lab(Settings(Path(self.directory.name), max_upload_mb=1))
        app = create_app(self.lab.settings, self.lab)
        with self.lab.store.writing() as db:
            token = accounts.create_token(db, accounts.create(db, "ben", Role.MEMBER))
        self.ben = Caller(app.test_client(use_cookies=False), token)
        self.live: list[Model] = []

    def teardown(self) -> None:
        self.lab.store.close()
        self.directory.cleanup()

    @rule(target=uploads, size=st.one_of(st.none(), st.integers(0, 100)))
    def begin(self, size: int | None) -> Model:
        said = {"Upload-Defer-Length": "1"} if size is None else {"Upload-Length": str(size)}
        answer = self.ben("POST", "/uploads", headers=TUS | said)
        assert answer.status_code == 201
        model = Model(answer.headers["Location"], size)
        self.live.append(model)
        return model

    @rule(upload=uploads, data=PIECES)
    def send_the_next_piece(self, upload: Model, data: bytes) -> None:
        status = send(self.ben, upload.place, len(upload.data), data).status_code
        if len(data) > upload.room:
            assert status == 413
        else:
            assert status == 204
            upload.data += data

    @rule(upload=uploads, data=PIECES, algorithm=st.sampled_from(["sha1", "sha256"]))
    def send_a_piece_with_its_checksum(self, upload: Model, data: bytes, algorithm: str) -> None:
        data = data[: upload.room]
        answer = send(self.ben, upload.place, len(upload.data), data,
                      Upload_Checksum=sha(data, algorithm))  # fmt: skip
        assert answer.status_code == 204
        upload.data += data

    @rule(upload=uploads, data=PIECES.filter(bool), is_short=st.booleans())
    def send_a_damaged_piece(self, upload: Model, data: bytes, is_short: bool) -> None:
        data = data[: upload.room]
        if not data:
            return
        came = data[:-1] if is_short else bytes([data[0] ^ 1]) + data[1:]
        headers = PIECE | {
            "Upload-Offset": str(len(upload.data)), "Upload-Checksum": sha(data),
        }  # fmt: skip
        answer = self.ben(
            "PATCH",
            upload.place,
            input_stream=io.BytesIO(came),
            headers=headers,
            environ_overrides={"CONTENT_LENGTH": str(len(data))},
        )
        assert answer.status_code == 460

    @rule(upload=uploads, data=PIECES, lost=st.integers(1, 50))
    def send_a_piece_that_is_cut(self, upload: Model, data: bytes, lost: int) -> None:
        said = len(data) + lost
        headers = PIECE | {"Upload-Offset": str(len(upload.data))}
        answer = self.ben(
            "PATCH",
            upload.place,
            input_stream=io.BytesIO(data),
            headers=headers,
            environ_overrides={"CONTENT_LENGTH": str(said)},
        )
        if said > upload.room:
            assert answer.status_code == 413
        else:
            assert answer.status_code == 204
            upload.data += data

    @rule(upload=uploads, offset=st.integers(0, 150), data=PIECES)
    def send_to_a_wrong_place(self, upload: Model, offset: int, data: bytes) -> None:
        if offset != len(upload.data):
            assert send(self.ben, upload.place, offset, data).status_code == 409

    @rule(upload=uploads, more=st.integers(0, 30))
    def say_the_length(self, upload: Model, more: int) -> None:
        total = len(upload.data) + more
        answer = send(self.ben, upload.place, len(upload.data), b"", Upload_Length=str(total))
        is_known = upload.size is not None
        is_complete = is_known and upload.room == 0
        assert answer.status_code == (
            400 if is_known and total != upload.size and not is_complete else 204
        )
        if not is_known:
            upload.size = total

    @rule(upload=consumes(uploads))
    def take_back(self, upload: Model) -> None:
        assert self.ben("DELETE", upload.place, headers=TUS).status_code == 204
        assert self.ben("HEAD", upload.place, headers=TUS).status_code == 404
        assert send(self.ben, upload.place, len(upload.data), b"x").status_code == 404
        self.live.remove(upload)

    @rule(junk=PIECES)
    def die_and_start_anew(self, junk: bytes) -> None:
        """The hashes at hand are gone; files hold bytes that were never confirmed."""
        self.lab.uploads._spool = Spool(self.lab.settings.uploads)
        for upload in self.live:
            if upload.room:
                path = self.lab.settings.uploads / upload.place.rpartition("/")[2]
                with path.open("ab") as file:
                    file.write(junk)

    @invariant()
    def each_upload_is_what_was_sent(self) -> None:
        for upload in self.live:
            found = self.ben("GET", upload.place).json
            assert (found["offset"], found["size"]) == (len(upload.data), upload.size)
            whole = upload.size == len(upload.data)
            expected = hashlib.sha256(upload.data).hexdigest() if whole else None
            assert found["sha256"] == expected
            if whole:
                path = self.lab.settings.uploads / found["id"]
                assert path.read_bytes() == upload.data


def test_any_order_of_requests_leaves_each_upload_as_it_was_sent() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Tus,
        settings=settings(
            max_examples=6, stateful_step_count=15, deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
