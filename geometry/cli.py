"""What every command shares: one clear line and exit code 2 for bad input, JSON alone on stdout, floor rounding."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import errno
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, NoReturn, Protocol

from geometry.errors import InputError
from geometry.interrupts import end_quietly, unwrapped_interrupt


class Parser(argparse.ArgumentParser):
    """argparse, with its complaint on one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog.removeprefix('python -m ')}: error: {message} (--help lists the options)\n")


_RESUMES = ("smoothing.certify", "smoothing.train", "validation.experiments", "validation.attack")
_REMEDIES = {
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f)",
}


def run(main: Callable[[], None], name: str) -> NoReturn:
    """Call a command's main; a user's mistake ends in one line on stderr and exit code 2, never a traceback."""
    # Idle threads of torch sleep instead of spinning: on a quiet machine this costs up to two fifths of
    # a small model's speed, but where another process wants a core spinning costs a factor of two, or of ten and more.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with unwrapped_interrupt():
            main()
            sys.stdout.flush()  # a full disk or a closed pipe shows here and not behind our back
    except InputError as error:
        fail(name, str(error))
    except MemoryError as error:
        _discard_stdout()
        fail(name, f"not enough memory for this size: {error}")
    except BrokenPipeError:  # the reader, such as head, has what it wanted
        _discard_stdout()
        sys.exit(0)
    except OSError as error:  # unreadable, unwritable, disk full: the system's own words name file and reason
        _discard_stdout()
        fail(name, _in_words(error, name))
    except KeyboardInterrupt as interrupt:
        done = f" with {interrupt}" if str(interrupt) else ""
        resumes = "; the same command resumes" if name in _RESUMES else ""
        print(f"{name}: interrupted{done}{resumes}", file=sys.stderr)
        sys.exit(130)
    finally:
        atexit.register(end_quietly)
    sys.exit(0)


def _in_words(error: OSError, name: str) -> str:
    """The system's reason, the file, and what to do where that is known."""
    words = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    if error.errno not in _REMEDIES:
        return words
    again = "the same command resumes" if name in _RESUMES else "give the command again"
    return f"{words}; {_REMEDIES[error.errno]}, then {again}"


def fail(name: str, message: str) -> NoReturn:
    """One line on stderr, exit code 2."""
    print(f"{name}: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def _discard_stdout() -> None:
    """What is still buffered goes nowhere, so that Python's own flush at exit cannot fail again."""
    with contextlib.suppress(OSError, ValueError):  # stdout may be no file, as under a test
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def positive_int(text: str) -> int:
    """An argparse type: a whole number from 1 to 2^63 - 1."""
    value = _number(text, int)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text}")
    if value >= 2**63:
        raise argparse.ArgumentTypeError(f"must be below 2^63, got {text}")
    return int(value)


def natural(text: str) -> int:
    """An argparse type: a whole number from 0 to 2^63 - 1."""
    value = _number(text, int)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 2^63 - 1, got {text}")
    return int(value)


def positive_float(text: str) -> float:
    """An argparse type: a positive, finite number."""
    value = _number(text, float)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"must be a positive, finite number, got {text}")
    return value


def nonnegative_float(text: str) -> float:
    """An argparse type: a finite number of at least 0."""
    value = _number(text, float)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"must be a finite number of at least 0, got {text}")
    return value


def percent(count: int, total: int) -> str:
    """100 count / total with one decimal, rounded down in whole numbers: 29 of 100 is 29.0."""
    tenths = 1000 * int(count) // int(total)
    return f"{tenths // 10}.{tenths % 10}"


def probability(text: str) -> float:
    """An argparse type: a number in [0, 1]."""
    value = _number(text, float)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a probability in [0, 1], got {text}")
    return value


def _number(text: str, kind: Callable[[str], float]) -> float:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None


class Progress(Protocol):
    """How ``progress`` is called, for what may stand in its place."""

    def __call__(self, total: int, what: str, unit: str, *, done: int = 0) -> Any: ...


def progress(total: int, what: str, unit: str, *, done: int = 0) -> Any:
    """A tqdm bar on stderr; in a log file, where a bar cannot be redrawn, a line every ten seconds."""
    from tqdm import tqdm

    pause = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(total=total, initial=done, desc=what, unit=unit, file=sys.stderr, mininterval=pause)


def floor_to(value: float, digits: int) -> str:
    """``value`` with ``digits`` decimals, rounded towards -inf: a printed radius never exceeds the certified one.

    >>> floor_to(0.29999, 2), floor_to(float("inf"), 2)
    ('0.29', 'inf')
    """
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_FLOOR))


def floor_significant(value: float, digits: int = 6) -> str:
    """``value`` > 0 with ``digits`` significant digits, rounded down; plain for the sizes people read."""
    if value == 0 or math.isinf(value):
        return f"{value:g}"
    exact = Decimal(value)
    places = digits - 1 - exact.adjusted()
    rounded = exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_FLOOR)
    return f"{rounded:f}" if -4 <= exact.adjusted() < digits else f"{rounded:e}"


def ceil_significant(value: float, digits: int = 6) -> str:
    """``value`` > 0 with ``digits`` significant digits, rounded up: a printed ceiling is never below the proven one.

    >>> ceil_significant(0.1, 2), ceil_significant(float("inf"))
    ('0.11', 'inf')
    """
    if value == 0 or math.isinf(value):
        return f"{value:g}"
    exact = Decimal(value)
    rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() - digits + 1), rounding=ROUND_CEILING)
    return f"{rounded:f}" if -4 <= exact.adjusted() < digits else f"{rounded:e}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """A plain table; the first ``left`` columns are flush left, the others flush right."""
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        parts = [
            c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(parts).rstrip()

    return "\n".join([line(cells[0]), "  ".join("-" * w for w in widths), *map(line, cells[1:])])


def emit_json(document: dict[str, Any]) -> None:
    """One JSON document on stdout; an infinite radius is the string "inf", since JSON has no infinity."""
    from geometry.files import jsonable

    print(json.dumps(jsonable(document), indent=2, allow_nan=False))
