"""What is counted of calls, for a person, an organization and a partner alike."""

from typing import Final

from sqlalchemy.orm import Mapped


class Measures:
    """What is counted. Seconds are whole; `wait` is how long incoming calls rang, `talk` is of all calls.

    `answered`, `missed` and `elsewhere` (a colleague took it, it was forwarded or blocked) are the incoming calls,
    `dialled` the outgoing ones, of which `reached` were answered; `internal` are those that stayed inside.
    """

    answered: Mapped[int]
    missed: Mapped[int]
    elsewhere: Mapped[int]
    dialled: Mapped[int]
    reached: Mapped[int]
    internal: Mapped[int]
    talk_seconds: Mapped[int]
    wait_seconds: Mapped[int]
    longest_wait: Mapped[int]


MEASURES: Final = tuple(Measures.__annotations__)
