"""An append-only file of JSON lines that stays whole: through a crash, a full disk and a rotation."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST_LINE = 1 << 20  # bytes that are searched for the beginning of a torn last line


class LineFile:
    """Each line is one `write`: what was said is with the kernel before the process goes on.

    A process that is killed loses nothing of it; a machine that loses its power may lose the last seconds.
    """

    def __init__(self, path: Path, ours: bytes) -> None:
        """Open for appending. `ours` is how our lines begin. `OSError` when that cannot be done."""
        self._path = path
        self._ours = ours
        self._fd = _opened(path, ours)

    @property
    def is_regular(self) -> bool:
        """False for a pipe or a terminal, such as `/dev/stdout`, which cannot be read back."""
        return _is_regular(self._fd)

    def append(self, line: bytes) -> None:
        """Append a line with its end, all of it or nothing; `OSError` when the disk refuses it."""
        write_whole(self._fd, line)

    def tail(self, size: int) -> Iterator[dict[str, Any]]:
        """The objects on the whole lines in the last `size` bytes."""
        end = os.fstat(self._fd).st_size
        start = max(0, end - size)
        data = os.pread(self._fd, end - start, start)
        return objects(data if start == 0 else data.partition(b"\n")[2])

    def reopen(self) -> None:
        """Go on in a new file under the same name, after a rotation moved the old one away."""
        fresh = _opened(self._path, self._ours)
        os.close(self._fd)
        self._fd = fresh

    def close(self) -> None:
        os.close(self._fd)


def write_whole(fd: int, data: bytes) -> None:
    """Append all of `data` or nothing; `OSError` when the disk refuses it."""
    written = os.write(fd, data)
    if written < len(data):
        if _is_regular(fd):
            os.ftruncate(fd, os.fstat(fd).st_size - written)
        raise OSError(errno.ENOSPC, "the disk took only a part of it")


def _is_regular(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode)


def _opened(path: Path, ours: bytes) -> int:
    access = os.O_RDWR if path.is_file() or not path.exists() else os.O_WRONLY
    fd = os.open(path, access | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    if _is_regular(fd):
        _mend(fd, ours)
    return fd


def _mend(fd: int, ours: bytes) -> None:
    """Make the next line begin on a line of its own, where a crash tore the last one."""
    end = os.fstat(fd).st_size
    start = max(0, end - _LONGEST_LINE)
    torn = os.pread(fd, end - start, start).rpartition(b"\n")[2]
    if torn.startswith(ours) and not any(objects(torn)):
        os.ftruncate(fd, end - len(torn))
    elif torn:
        os.write(fd, b"\n")  # only its end is missing, or it is not ours to cut


def line_of(fields: dict[str, Any]) -> bytes:
    """One object as a line. ASCII only: no text of a carrier can break a line or an encoding."""
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def objects(data: bytes) -> Iterator[dict[str, Any]]:
    """The JSON objects among lines; what is torn or not JSON is passed over."""
    for line in data.split(b"\n"):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                yield found
