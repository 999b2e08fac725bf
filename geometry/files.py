"""Files that survive crashes: whole or not at all, line by line, one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geometry.errors import InputError


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError says that it is about ``path``: the system's own, of a write that found the disk full, do not."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def check_writable(folder: Path) -> None:
    """InputError unless files can be written in ``folder``, or where it would be made. Ask before long work.

    It goes by permissions and read-only mounts; a full disk shows only when something is written.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise InputError(f"nothing can be written in {folder}: {place} is a file; give another folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(
            f"nothing can be written in {folder}: {place.absolute()} is read-only; make it writable or give "
            "another folder"
        )


def write_atomic(path: Path, data: str | bytes) -> None:
    """The whole file or none of it: write beside, fsync, rename. A missing folder is made, so that no work is lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    try:
        with naming(path):
            with temporary.open("wb") as stream:
                stream.write(data.encode() if isinstance(data, str) else data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):  # half a file takes up room where there is none
            temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, document: Any) -> None:
    """``write_atomic`` of a JSON document; infinities become the strings "inf" and "-inf"."""
    write_atomic(path, json.dumps(jsonable(document), indent=2, allow_nan=False) + "\n")


def jsonable(value: Any) -> Any:
    """The document with arrays' scalars as Python's and infinities as strings, since JSON has none."""
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    return value.item() if hasattr(value, "item") else value


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file without their ends; a last line without one was torn by a crash and is left out."""
    if not path.is_file():  # nor read a device to its end
        return []
    # Lines end in \n and nothing else: str.splitlines would take a damaged byte such as \x0c for an end too.
    return path.read_bytes().split(b"\n")[:-1]


def cut_torn_line(path: Path) -> None:
    """Remove what a crash left behind the last whole line, before anything is appended."""
    if path.is_file():
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with path.open("r+b") as stream:
                stream.truncate(whole)
                os.fsync(stream.fileno())


@contextmanager
def appending(path: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Append JSON lines, each on the disk when the call returns; what a crash tore is cut off first.

    Without a buffer: after a write that failed nothing is left for the closing of the file to try again.
    """
    with naming(path):
        cut_torn_line(path)
        stream = path.open("ab", buffering=0)

    def append(record: dict[str, Any]) -> None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with naming(path):
            while line:  # the last bytes of a disk take a part of the line, and the next write fails
                line = line[stream.write(line) :]
            os.fsync(stream.fileno())

    with stream:
        yield append


@contextmanager
def locked(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold the folder's lock. A second process waits, or is refused with an InputError."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise InputError(
                    f"another process is writing run folder {folder}; wait for it, or give another folder"
                ) from None
            print(f"waiting for another process in {folder}", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
