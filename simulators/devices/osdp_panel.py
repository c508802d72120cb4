"""What a person sees and hears of a simulated OSDP peripheral."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Lamp", "Panel"]

COLOURS = ("off", "red", "green", "amber", "blue", "magenta", "cyan", "white")


@dataclass(frozen=True, slots=True)
class Lamp:
    """The LED: its colours while on and off, and for how many seconds (0: until told otherwise)."""

    on: str = "off"
    off: str = "off"
    seconds: float = 0.0


class Panel:
    """Written by the device's thread, read by others; :meth:`wait` waits for something to be seen. ``say``
    is told of every change in a line of text, in the device's thread."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say or _nothing
        self.lamp = Lamp()
        self.beeps = 0
        self.outputs: dict[int, int] = {}
        self.text = ""
        self.is_online = False
        self.is_secure = False
        self.restarts = -1
        self._changed = threading.Condition()

    def wait(self, condition: Callable[[Panel], bool], seconds: float = 10.0) -> bool:
        """Whether it came true within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), seconds)

    def online(self, online: bool, secure: bool) -> None:
        if (online, secure) != (self.is_online, self.is_secure):
            self._set(is_online=online, is_secure=secure)
            self._say(("secure channel open" if secure else "online") if online else "offline")

    def restarted(self) -> None:
        self._set(restarts=self.restarts + 1, lamp=Lamp(), is_online=False, is_secure=False)

    def lit(self, command: dict[str, Any]) -> None:
        seconds = command.get("timer_count", 0) / 10 if command["temporary"] else 0.0
        lamp = Lamp(_colour(command["on_color"]), _colour(command["off_color"]), seconds)
        self._set(lamp=lamp)
        self._say(f"lamp {lamp.on}/{lamp.off}" + (f" for {seconds:g} s" if seconds else ""))

    def sounded(self, command: dict[str, Any]) -> None:
        beeps = max(1, command["rep_count"])
        self._set(beeps=self.beeps + beeps)
        self._say(f"buzzer {beeps} times")

    def switched(self, command: dict[str, Any]) -> None:
        number, code = command["output_no"], command["control_code"]
        self._set(outputs={**self.outputs, number: code})
        self._say(f"output {number} control code {code}")

    def wrote(self, command: dict[str, Any]) -> None:
        text = "".join(character if character.isprintable() else "?" for character in command["data"])
        self._set(text=text)
        self._say(f"text {text}")

    def noted(self, what: str) -> None:
        """Something that is not seen, for whoever listens."""
        self._say(what)

    def _set(self, **values: Any) -> None:
        with self._changed:
            for name, value in values.items():
                setattr(self, name, value)
            self._changed.notify_all()


def _nothing(_: str) -> None:
    return


def _colour(number: int) -> str:
    return COLOURS[number] if number < len(COLOURS) else f"colour {number}"
