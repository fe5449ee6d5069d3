"""The question that a printer asks through ``//action:prompt_…``, put together line by line."""

from __future__ import annotations

from fabcoord.printers.base import Prompt
from fabcoord.printers.serial.parser import Action

_LONGEST_TEXT = 200
_MOST_CHOICES = 12


class Prompts:
    """Marlin's host prompts: begin, any number of choices and buttons, show, end.

    A choice is answered by its index with M876 (https://marlinfw.org/docs/gcode/M876.html).
    """

    def __init__(self) -> None:
        self.shown: Prompt | None = None
        self._text = ""
        self._choices: list[str] = []

    def hear(self, action: Action) -> bool:
        """Take in one action; False when it is none of a prompt's."""
        text = action.argument[:_LONGEST_TEXT]
        match action.name:
            case "prompt_begin":
                self.shown, self._text, self._choices = None, text, []
            case "prompt_choice" | "prompt_button":
                if len(self._choices) < _MOST_CHOICES:
                    self._choices.append(text)
            case "prompt_show":
                self.shown = Prompt(self._text, tuple(self._choices))
            case "prompt_end":
                self.shown = None
            case _:
                return False
        return True
