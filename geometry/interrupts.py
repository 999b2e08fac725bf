"""Ctrl-C without loss: the first one asks for an end, the second one is the end."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def gentle_stop(piece: str) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C lets the piece of work in hand be finished; the second ends the process at once.

    Yields a function that says whether an end was asked for; call it after every piece, and end with a
    KeyboardInterrupt that says what is done. Where Ctrl-C does not raise one in the first place (it is ignored, as
    under nohup; somebody else handles it; another thread than the main one runs this) nothing changes.
    """
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        # The system's own handler needs no Python: it ends a long call into C too, and waits for no thread.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # Not print: the stream may be in the middle of a write, which Python does not enter twice.
        with contextlib.suppress(OSError):
            os.write(2, f"\nfinishing {piece}; Ctrl-C again stops at once\n".encode())

    if not _raises():
        yield lambda: False
        return
    signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def unwrapped_interrupt() -> Iterator[None]:
    """A KeyboardInterrupt that somebody turned into another error comes out as itself.

    Python does so where a class is being made, and libraries do while they are imported.
    """
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, KeyboardInterrupt):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        raise


def end_quietly() -> None:
    """From here on Ctrl-C ends the process without a traceback: only Python's own tidying up is left."""
    if _raises():
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _raises() -> bool:
    """Whether Ctrl-C raises KeyboardInterrupt here."""
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
