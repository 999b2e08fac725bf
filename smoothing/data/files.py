"""Where data sets lie on a disk, and one clear error for whatever goes wrong while one is read."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from geometry.errors import InputError

SYSTEM = ("/usr/local/share", "/usr/share")


@contextmanager
def reading(path: Path | str, what: str) -> Iterator[None]:
    """Whatever the body raises becomes an InputError of one line that names `path` and `what` it should be.

    Decoders of images and archives raise nearly every kind of exception on a damaged file, so all are
    caught; keep the body to the call that reads.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file or folder; check the path of this {what}") from error
    except PermissionError as error:
        raise InputError(f"{path}: permission denied; make this {what} readable") from error
    except MemoryError as error:
        raise InputError(f"{path}: this {what} does not fit in memory; is it damaged?") from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not readable as {what} ({reason}); replace the file") from error


def user_path(text: str | os.PathLike[str], data_dir: str | os.PathLike[str] | None = None) -> Path:
    """`text` as a path, `~` expanded; a relative one lies under `data_dir` where that is given."""
    with reading(os.fspath(text), "path"):
        path = Path(text).expanduser()
    if data_dir is None:
        return path
    with reading(os.fspath(data_dir), "data_dir"):
        return Path(data_dir).expanduser() / path


def data_homes() -> list[Path]:
    """Folders named `datasets` in the XDG data directories, the user's own first; those that exist.

    /usr/local/share and /usr/share count in any case: packages put data there whatever XDG says.
    """
    own = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    shared = [text for text in os.environ.get("XDG_DATA_DIRS", "").split(":") if text]
    homes = []
    for text in dict.fromkeys((own, *shared, *SYSTEM)):
        try:
            home = Path(text).expanduser() / "datasets"
            if home.is_dir():
                homes.append(home)
        except (OSError, RuntimeError):  # unreadable, or a user without a home: not a place to look in
            continue
    return homes


def places(subfolders: Sequence[str], data_dir: str | os.PathLike[str] | None) -> list[Path]:
    """Folders to look in for a published set: under `data_dir` and itself, or else in the data homes.

    The homes hold many sets, some with the same file names, so only `subfolders` of them count.
    Raises InputError when `data_dir` is given and is not a folder.
    """
    if data_dir is None:
        return [home / name for home in data_homes() for name in subfolders]
    root = user_path(data_dir)
    with reading(root, "data_dir"):
        if not root.is_dir():
            raise InputError(f"data_dir must be an existing folder, came {root}; check the path")
    return [*(root / name for name in subfolders), root]


def missing(name: str, needs: str, looked: Sequence[Path], advice: str) -> InputError:
    """The error for a published set that is not there: its needs, where it was looked for, how to get it."""
    where = ", ".join(map(str, looked)) or "no data folder of this machine exists; give data_dir"
    return InputError(f"{name} needs {needs}; looked in: {where}. To get it: {advice}")


def file_in(folder: Path, *names: str) -> Path | None:
    """The first of `names` that is a file in `folder`, or None."""
    for name in names:
        path = folder / name
        with reading(path, "file"):
            if path.is_file():
                return path
    return None
