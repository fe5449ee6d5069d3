"""Licence texts: SPDX expressions, checked and brought into their usual form."""

from __future__ import annotations

from functools import cache
from typing import Any

from fabcoord.errors import BadInput

_LONGEST = 500  # parsing takes longer than the expression grows


def normalise(text: str) -> str:
    """The licence as an SPDX expression in its usual spelling.

    Raises BadInput when it is empty, not an expression, or names a licence that SPDX does not
    list; ``LicenseRef-…`` stands for a text of one's own (SPDX 2.3, annex D).
    """
    text = text.strip()
    if not text:
        raise BadInput(
            "The design names no licence.",
            hint="Give an SPDX expression, for example CC-BY-SA-4.0 or CERN-OHL-S-2.0.",
            fields={"licence": "missing"},
        )
    if len(text) > _LONGEST:
        raise _not_an_expression(text)
    from license_expression import ExpressionError

    try:
        parsed = _licensing().parse(text)
        unknown = [
            key for key in _licensing().unknown_license_keys(parsed) if not _is_own_text(key)
        ]
    except (ExpressionError, ValueError) as error:
        raise _not_an_expression(text) from error
    if unknown or parsed is None:
        raise _not_an_expression(", ".join(unknown) or text)
    return str(parsed)


def _is_own_text(key: str) -> bool:
    return key.lower().startswith("licenseref-")


def _not_an_expression(text: str) -> BadInput:
    return BadInput(
        f"{text[:80]!r} is not a licence that SPDX lists.",
        hint="Use an SPDX expression such as CC-BY-SA-4.0, CERN-OHL-S-2.0 or CC0-1.0"
        " (spdx.org/licenses), or LicenseRef-<name> for a text of your own.",
        fields={"licence": "not an SPDX expression"},
    )


@cache
def _licensing() -> Any:
    # Loads an index of 2,000 licences: only the process that needs it pays, once.
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()
