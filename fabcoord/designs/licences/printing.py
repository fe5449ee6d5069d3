"""Decides whether a print needs somebody's word first, because of the design's licence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fabcoord.designs.licences.terms import Commercial, of_print


class PaidPrints(StrEnum):
    """What a lab does with prints that are paid for, of designs that nobody may earn with."""

    HOLD = "hold"  # staff decide about each
    REFUSE = "refuse"  # they are not taken
    ALLOW = "allow"  # the lab prints at cost and counts that as non-commercial


@dataclass(frozen=True, slots=True)
class PrintRules:
    """What the lab has decided, from its settings."""

    paid: PaidPrints = PaidPrints.HOLD
    is_cooperative: bool = False  # the lab belongs to those who work in it


AS_SHIPPED = PrintRules()


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a print needs somebody's word; ``is_final`` where the lab does not take it at all."""

    reason: str
    is_final: bool


def objection(
    licence: str, *, is_paid: bool, is_commercial: bool, is_own: bool, rules: PrintRules
) -> Objection | None:
    """What speaks against printing a design that is licensed so, or None.

    Args:
        is_paid: the job names a charge code: somebody pays for it.
        is_commercial: whoever asks said that the print is for a business.
        is_own: who asks is whose design it is, and the work of nobody else.
    """
    if is_own:
        return None
    kinds = {terms.commercial for terms in of_print(licence)}
    earns = is_paid or is_commercial
    if Commercial.ASK in kinds:
        why = f"All rights are reserved ({licence}): somebody has to ask the author"
        return Objection(f"{why}.", is_final=earns and rules.paid is PaidPrints.REFUSE)
    if not earns:
        return None
    # Printing at cost may be no business; what is for a business by its own word is one.
    tolerated = rules.paid is PaidPrints.ALLOW and not is_commercial
    final = rules.paid is PaidPrints.REFUSE
    purpose = "the print is for a business" if is_commercial else "the print is paid for"
    if Commercial.NO in kinds and not tolerated:
        return Objection(f"{licence} is for non-commercial use, and {purpose}.", is_final=final)
    if Commercial.COOPERATIVES in kinds and not rules.is_cooperative and not tolerated:
        return Objection(
            f"{licence} lets only businesses that belong to their workers earn with it,"
            f" and {purpose}.",
            is_final=final,
        )
    return None
