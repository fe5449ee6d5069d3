"""Licences: what they say in SPDX, what they allow, and what may be made of what."""

from fabcoord.designs.licences.expressions import normalise
from fabcoord.designs.licences.printing import AS_SHIPPED, PaidPrints, PrintRules, objection
from fabcoord.designs.licences.remix import (
    Parent,
    allows,
    only_private,
    possible,
    require,
)
from fabcoord.designs.licences.suggest import Suggestion, suggest
from fabcoord.designs.licences.terms import duties, is_open, plain_words

__all__ = [
    "AS_SHIPPED",
    "PaidPrints",
    "Parent",
    "PrintRules",
    "Suggestion",
    "allows",
    "duties",
    "is_open",
    "normalise",
    "objection",
    "only_private",
    "plain_words",
    "possible",
    "require",
    "suggest",
]
