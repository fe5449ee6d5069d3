"""The tree of errors: each says what happened, what it means, and what to do.

FabcoordError
├── BadInput            what a person or program sent cannot be used            400, exit 2
│   ├── TooLarge        larger than this lab takes                              413, exit 2
│   ├── WrongType       a body of a kind that this address does not take        415, exit 2
│   ├── WrongProtocol   a version of a protocol that this lab does not speak    412, exit 2
│   ├── Damaged         bytes that are not those that were announced            460, exit 2
│   ├── Unprocessable   well-formed, but not acceptable as it is                422, exit 2
│   │   └── LicenceConflict  what a design is made from does not allow its licence  422, exit 2
│   └── UnreadableFile  a design or G-code file that is not what it claims      422, exit 2
├── NotSignedIn         no valid token or session                               401, exit 3
├── NotAllowed          signed in, but the role does not permit it              403, exit 3
├── NotFound            no such thing, or none that this person may see         404, exit 4
│   └── Gone            it was there, and was used up or ran out                410, exit 4
├── Conflict            the thing is in a state where this does not apply       409, exit 5
│   ├── InUse           another request works on it just now                    423, exit 5
│   ├── Superseded      another agent process took over                         409, exit 5
│   └── Stale           changed by someone else since it was read               412, exit 5
├── TooBusy             try again later                                         503, exit 6
├── OverQuota           more than one member may have open at once              429, exit 6
├── NoSpace             the lab's disk has no room for it                       507, exit 6
├── SlicingFailed       the slicer could not make G-code                        422, exit 7
│   └── SlicerMissing   no slicer is installed                                  503, exit 7
├── GateRefused         G-code that must not reach this machine                 422, exit 7
└── PrinterError        a printer did not do what it was asked                  502, exit 8
    ├── PrinterOffline  it cannot be reached at all                             503, exit 8
    └── PrinterBusy     it is doing something that we did not start             409, exit 8
"""

from __future__ import annotations

from typing import ClassVar


class FabcoordError(Exception):
    """Base of everything fabcoord raises on purpose.

    Args:
        detail: what happened and what it means, one or two sentences for a person.
        hint: what to do next, one sentence; may be empty.
        fields: per-field messages for forms and JSON bodies.
        extra: further members of the problem document, for example ``state``.
    """

    slug: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        detail: str,
        *,
        hint: str = "",
        fields: dict[str, str] | None = None,
        extra: dict[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.fields = fields or {}
        self.extra = extra or {}

    def __str__(self) -> str:
        return f"{self.detail} {self.hint}".strip()

    def problem(self) -> dict[str, object]:
        """The error as a problem document (RFC 9457, section 3)."""
        document: dict[str, object] = {
            "type": f"https://fabcoord.org/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": str(self),
        }
        if self.fields:
            document["errors"] = [
                {"field": name, "detail": text} for name, text in self.fields.items()
            ]
        return document | self.extra


class BadInput(FabcoordError):
    """What a person or program sent cannot be used."""

    slug, title, status, exit_code = "bad-input", "The request cannot be used", 400, 2


class TooLarge(BadInput):
    """Larger than this lab takes."""

    slug, title, status = "too-large", "Too large", 413


class WrongType(BadInput):
    """A body of a kind that this address does not take."""

    slug, title, status = "wrong-type", "Another kind of body is needed", 415


class WrongProtocol(BadInput):
    """A version of a protocol that this lab does not speak."""

    slug, title, status = "wrong-protocol", "Another version is needed", 412


class Damaged(BadInput):
    """The bytes that arrived are not those that were announced; 460 is tus' own status."""

    slug, title, status = "damaged", "Damaged on the way", 460


class Unprocessable(BadInput):
    """Well-formed, but not acceptable as it is."""

    slug, title, status = "unprocessable", "Not acceptable as it is", 422


class LicenceConflict(Unprocessable):
    """A licence that what the design is made from does not allow.

    ``extra`` holds ``conflicts`` (title, licence, why) and ``possible`` (licences).
    """

    slug, title = "licence-conflict", "The licences do not go together"


class UnreadableFile(BadInput):
    """A design or G-code file that is not what it claims to be."""

    slug, title, status = "unreadable-file", "The file cannot be read", 422


class NotSignedIn(FabcoordError):
    """No valid token or session."""

    slug, title, status, exit_code = "not-signed-in", "Sign in first", 401, 3


class NotAllowed(FabcoordError):
    """Signed in, but the role does not permit it."""

    slug, title, status, exit_code = "not-allowed", "Not allowed", 403, 3


class NotFound(FabcoordError):
    """No such thing, or none that this person may see."""

    slug, title, status, exit_code = "not-found", "Not found", 404, 4


class Gone(NotFound):
    """It was there, and was used up or ran out."""

    slug, title, status = "gone", "No longer there", 410


class Conflict(FabcoordError):
    """The thing is in a state where this does not apply."""

    slug, title, status, exit_code = "conflict", "Does not apply in this state", 409, 5


class InUse(Conflict):
    """Another request works on it just now."""

    slug, title, status = "in-use", "In use just now", 423


class Superseded(Conflict):
    """Another agent process with the same token took over; the older one must stop."""

    slug, title = "superseded", "Another agent took over"


class Stale(Conflict):
    """Changed by someone else since it was read."""

    slug, title, status = "stale", "Changed in the meantime", 412


class TooBusy(FabcoordError):
    """Try again later."""

    slug, title, status, exit_code = "too-busy", "Too busy just now", 503, 6


class OverQuota(FabcoordError):
    """More than one member may have open at once."""

    slug, title, status, exit_code = "over-quota", "Too much at once", 429, 6


class NoSpace(FabcoordError):
    """The lab's disk has no room for it."""

    slug, title, status, exit_code = "no-space", "The lab's disk is full", 507, 6


class SlicingFailed(FabcoordError):
    """The slicer could not make G-code of this mesh with these settings."""

    slug, title, status, exit_code = "slicing-failed", "Slicing failed", 422, 7


class SlicerMissing(SlicingFailed):
    """No slicer is installed on this machine."""

    slug, title, status = "slicer-missing", "No slicer installed", 503


class GateRefused(FabcoordError):
    """G-code that must not reach this machine."""

    slug, title, status, exit_code = "gate-refused", "G-code refused", 422, 7


class PrinterError(FabcoordError):
    """A printer did not do what it was asked."""

    slug, title, status, exit_code = "printer-error", "The printer reported an error", 502, 8


class PrinterOffline(PrinterError):
    """The printer cannot be reached at all."""

    slug, title, status = "printer-offline", "The printer is offline", 503


class PrinterBusy(PrinterError):
    """The printer is doing something that we did not start."""

    slug, title, status = "printer-busy", "The printer is busy", 409
