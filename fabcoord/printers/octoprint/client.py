"""The requests that we make of OctoPrint, through octorest, with answers already read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from octorest import OctoRest

from fabcoord.errors import PrinterError
from fabcoord.printers.base import Temperatures
from fabcoord.printers.octoprint import answers
from fabcoord.printers.octoprint.answers import Job, StoredFile
from fabcoord.printers.octoprint.multipart import FileBody
from fabcoord.printers.octoprint.session import PrefixSession, Refused, TimeLimits

_UPLOAD_STALL_S = 30.0  # the longest pause while sending a file
_UPLOAD_ANSWER_S = 300.0  # an old Pi hashes a large file for minutes


class Client:
    """One OctoPrint; each request raises PrinterOffline, Refused or PrinterError.

    Not safe for use from several threads at once.
    """

    def __init__(self, url: str, api_key: str, limits: TimeLimits) -> None:
        self._session = PrefixSession(url, api_key, limits)
        # Without the key: with it, the constructor would already make a request.
        self._rest = OctoRest(url=self._session.origin, session=self._session)
        self.where = self._session.where

    def close(self) -> None:
        self._session.close()

    def version(self) -> str:
        return answers.read_version(self._ask(self._rest.get_version))

    def missing_permissions(self) -> list[str]:
        """What this key lacks of the permissions that we need."""
        # octorest has no method for this one.
        return answers.missing_permissions(self._ask(lambda: self._get("/api/currentuser")))

    def job(self) -> Job:
        return answers.read_job(self._ask(self._rest.job_info))

    def temperatures(self) -> Temperatures:
        """The temperatures; all None when the printer is not connected."""
        return answers.read_temperatures(self._printer())

    def cool_down(self) -> None:
        """Switch off whatever is heated."""
        printer = self._printer()
        tools = answers.heated_tools(printer)
        if tools:
            self._rest.tool_target(tools)
        if answers.read_temperatures(printer).bed_target_c:
            self._rest.bed_target(0)

    def file(self, path: str) -> StoredFile | None:
        """What OctoPrint knows of one uploaded file; None when there is none."""
        try:
            return self._file(path)
        except Refused as refusal:
            if refusal.http_status != 500:
                raise
        # OctoPrint 1.11 stumbles over a file in a folder that does not exist.
        self._make_folders()
        return self._file(path)

    def move(self, path: str, destination: str) -> None:
        self._rest.move(path, destination)

    def select_and_print(self, path: str) -> None:
        self._rest.select(path, print=True)

    def pause(self) -> None:
        self._rest.pause()

    def resume(self) -> None:
        self._rest.resume()

    def cancel(self) -> None:
        self._rest.cancel()

    def upload(self, body: FileBody) -> None:
        """Upload one file; nothing is selected or printed.

        octorest's own upload reads the file into memory and loses every form field.
        """
        self._session.request(
            "POST",
            f"{self._session.origin}/api/files/local",
            data=body,
            headers={"Content-Type": body.content_type},
            timeout=(_UPLOAD_STALL_S, _UPLOAD_ANSWER_S),
        )

    def tidy(self, keep: int, spare: str) -> None:
        """Delete our oldest files in either folder, all but ``keep`` and the path ``spare``."""
        for folder in (answers.FOLDER, answers.WAITING):
            listing = self._ask(partial(self._rest.files_info, "local", folder))
            for path in answers.surplus(listing, keep, spare):
                with suppress(Refused):  # OctoPrint has it in hand
                    self._rest.delete(f"local/{path}")

    def _get(self, path: str) -> Any:
        return self._session.request("GET", self._session.origin + path).json()

    def _file(self, path: str) -> StoredFile | None:
        try:
            return answers.read_file(self._ask(lambda: self._rest.files_info("local", path)))
        except Refused as refusal:
            if refusal.http_status == 404:
                return None
            raise

    def _make_folders(self) -> None:
        """Make our folders where they are missing; octorest's own method is refused."""
        parent, _, child = answers.WAITING.partition("/")
        for form in ({"foldername": parent}, {"foldername": child, "path": parent}):
            self._session.request("POST", f"{self._session.origin}/api/files/local", data=form)

    def _printer(self) -> object:
        try:
            return self._ask(lambda: self._rest.printer(exclude=["sd", "state"]))
        except Refused as refusal:
            if refusal.http_status == 409:  # "Printer is not operational"
                return None
            raise

    def _ask(self, call: Callable[[], object]) -> object:
        try:
            return call()
        except (ValueError, RecursionError) as error:
            raise PrinterError(
                f"The answer of {self.where} is not one of OctoPrint's.",
                hint="Check the address of the printer.",
            ) from error
