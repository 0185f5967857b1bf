"""A job in a thread of its own, beside what its caller does, who may be interrupted meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

_BETWEEN_PULSES = 0.1


class Beside:
    """A job that looks at `given_up` now and then.

    What it works on may be freed once `wait` is over, even if Ctrl-C came. (`Thread.join` gives no
    such promise: in Python 3.11 an interrupted one takes a thread for ended that is running.)
    """

    def __init__(self, job: Callable[[], None]) -> None:
        self.given_up = Event()
        self._job = job
        self._may_begin = Event()
        self._ended = Event()
        self._error: BaseException | None = None

    def start(self) -> bool:
        """Begin; False if there is no thread to be had."""
        try:
            # Interrupted before it may begin, it waits for ever: that must not keep Python alive.
            Thread(target=self._run, daemon=True).start()
        except RuntimeError:
            return False
        self._may_begin.set()
        return True

    def wait(self, pulse: Callable[[], None]) -> None:
        """Return when it has ended, if it began; Ctrl-C makes it give up, and is passed on then.

        `pulse` is called again and again meanwhile; it may raise KeyboardInterrupt, too.
        """
        interrupted = False
        while self._may_begin.is_set():
            try:
                if self._ended.wait(_BETWEEN_PULSES):
                    break
                pulse()
            except KeyboardInterrupt:
                self.given_up.set()
                interrupted = True
        if interrupted:
            raise KeyboardInterrupt

    def raise_error(self) -> None:
        """Raise what it raised."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._may_begin.wait()
            if not self.given_up.is_set():
                self._job()
        except BaseException as error:
            self._error = error
        finally:
            self._ended.set()
