"""Files that survive crashes: whole or not at all, line by line, one writer at a time."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geometry.errors import InputError


def write_atomic(path: Path, data: str | bytes) -> None:
    """The whole file or none of it: write beside, fsync, rename. A missing folder is made, so that no work is lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as stream:
        stream.write(data.encode() if isinstance(data, str) else data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


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
def locked(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold the folder's lock. A second process waits, or is refused with an InputError."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise InputError(f"another process is writing run folder {folder}; wait for it") from None
            print(f"waiting for another process in {folder}", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
