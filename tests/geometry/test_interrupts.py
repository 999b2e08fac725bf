"""The first Ctrl-C asks, and only where it would have raised."""

import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from geometry.cli import run
from geometry.interrupts import gentle_stop


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_asks(capfd: pytest.CaptureFixture[str]) -> None:
    with gentle_stop("this image") as stopping:
        assert not stopping()
        signal.raise_signal(signal.SIGINT)
        assert stopping()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL, "the second is the system's"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert capfd.readouterr().err.strip() == "finishing this image; Ctrl-C again stops at once"


def test_the_handler_returns_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), gentle_stop("it"):
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("foreign", [signal.SIG_IGN, lambda number, frame: None], ids=["ignored", "handled"])
def test_what_others_set_stays(foreign: Callable[..., object]) -> None:
    """Under nohup Ctrl-C is ignored, and stays so."""
    signal.signal(signal.SIGINT, foreign)
    with gentle_stop("it") as stopping:
        assert signal.getsignal(signal.SIGINT) is foreign
        signal.raise_signal(signal.SIGINT)
        assert not stopping()


def test_another_thread_changes_nothing() -> None:
    found: list[object] = []

    def work() -> None:
        with gentle_stop("it") as stopping:
            found.extend([stopping(), signal.getsignal(signal.SIGINT)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False, signal.default_int_handler]


class Named:
    """Interrupted while its class is being made."""

    def __set_name__(self, owner: type, name: str) -> None:
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_in_disguise(capsys: pytest.CaptureFixture[str]) -> None:
    """Python 3.11 makes a RuntimeError of it, a library an ImportError: it is an interrupt all the same."""

    def main() -> None:
        try:
            type("Owner", (), {"it": Named()})
        except Exception as error:
            raise ImportError("of the class") from error

    with pytest.raises(SystemExit) as end:
        run(main, "smoothing.certify")
    assert end.value.code == 130
    assert capsys.readouterr().err == "smoothing.certify: interrupted; the same command resumes\n"
    with pytest.raises(ValueError, match="its own"):
        run(lambda: int("its own"), "smoothing.certify")
