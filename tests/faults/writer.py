"""A client that writes all the time and keeps what was acknowledged to it."""

import threading
from collections.abc import Callable


class Writer:
    """Calls `write(number)` again and again; it says whether that was acknowledged."""

    def __init__(self, write: Callable[[int], bool]) -> None:
        self._write = write
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.tried: list[int] = []
        self.acknowledged: list[int] = []
        self.fault: BaseException | None = None
        self._thread.start()

    def _run(self) -> None:
        try:
            self._write_until_stopped()
        except BaseException as error:
            self.fault = error

    def _write_until_stopped(self) -> None:
        number = 0
        while not self._stop.is_set():
            self.tried.append(number)
            if self._write(number):
                self.acknowledged.append(number)
            else:
                self._stop.wait(0.05)
            number += 1

    def stop(self) -> None:
        """End after the present one."""
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self.fault is not None:
            raise self.fault
