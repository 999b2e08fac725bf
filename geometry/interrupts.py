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

    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
