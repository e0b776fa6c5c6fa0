"""A file from an address, whole or not at all: it goes on where an earlier try, or a kill, cut it off.

What has arrived lies beside the file's place as ``.NAME.part``, and what the server said of it as ``.NAME.part.json``:
by these names they are found again, whoever left them. A second process that wants the same file waits for the first.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from hardsample.locks import lock

BLOCK = 1 << 20  # bytes read at once
_OLD = 3600.0  # seconds after which what an older version was writing belongs to no living process


def fetch(url: str, path: Path, md5: str, timeout: float) -> None:
    """Download the file to ``path``, in whose folder there must be room to write.

    Args:
        md5: of the whole file, in hexadecimal digits.
        timeout: seconds without a byte.

    Raises:
        OSError: it did not arrive whole. What can be gone on with is kept.
        http.client.HTTPException: likewise.
    """
    _clean(path)
    part, about = _names(path)
    with _alone(part) as file:
        if path.is_file() and _digest(path) == md5:  # another process was first
            _forget(path)
            return
        try:
            _complete(url, file, about, timeout, path.name)
        except BaseException:
            if not _remembered(about).get("ranges"):
                _forget(path)
            raise
        if _digest(part) != md5:
            _forget(path)
            raise OSError("its MD5 is not the published one")
        os.fsync(file.fileno())
        os.replace(part, path)
        about.unlink(missing_ok=True)


def _names(path: Path) -> tuple[Path, Path]:
    return path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.part.json")


def _forget(path: Path) -> None:
    for name in _names(path):
        name.unlink(missing_ok=True)


def _complete(url: str, file: IO[bytes], about: Path, timeout: float, name: str) -> None:
    """Read what is missing of the file, or all of it where the server's is not the one that was begun."""
    known, done = _remembered(about), file.seek(0, os.SEEK_END)
    headers = {"User-Agent": "hardsample"}
    if done and known.get("ranges") and done < known["size"]:
        headers["Range"] = f"bytes={done}-"
        if known["url"] == url and known["validator"]:
            headers["If-Range"] = known["validator"]
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416 or "Range" not in headers:  # the server's file is shorter than what was asked for
            raise
        answer = None
    if answer is None or (answer.status == 206 and not _goes_on(answer.headers, known, url, done)):
        about.unlink(missing_ok=True)
        return _complete(url, file, about, timeout, name)
    with answer:
        if answer.status != 206:
            file.truncate(0)
            done = 0
            known = _said(answer.headers, url)
            about.write_text(json.dumps(known))
        _copy(answer, file, done, known["size"], name)
    return None


def _goes_on(headers: Any, known: dict[str, Any], url: str, done: int) -> bool:
    """Is a part that the server sends what follows on the ``done`` bytes of the same file?"""
    begins = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", ""))
    same_file = known.get("url") != url or _validator(headers) in ("", known["validator"])
    return bool(begins) and (int(begins[1]), int(begins[2])) == (done, known.get("size")) and same_file


def _said(headers: Any, url: str) -> dict[str, Any]:
    """What a server says of a whole file, as it is remembered."""
    size = int(headers["Content-Length"]) if headers.get("Content-Length") else None
    ranges = size is not None and headers.get("Accept-Ranges", "") == "bytes"
    return {"url": url, "size": size, "validator": _validator(headers), "ranges": ranges}


def _validator(headers: Any) -> str:
    """What changes with the file: its ETag, or when it was last changed; "" where the server does not say."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _remembered(about: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(about.read_text())
        kinds = {"url": str, "size": int, "validator": str, "ranges": bool}
        if isinstance(known, dict) and all(isinstance(known.get(name), kind) for name, kind in kinds.items()):
            return known
    return {}


def _copy(answer: Any, file: IO[bytes], done: int, size: int | None, name: str) -> None:
    from tqdm import tqdm

    with tqdm(total=size, initial=done, unit="B", unit_scale=True, desc=name, disable=None, leave=False) as bar:
        while block := answer.read(BLOCK):
            file.write(block)
            done += len(block)
            bar.update(len(block))
    file.flush()
    if size is not None and done != size:
        raise OSError(f"{done:,} of {size:,} bytes came")


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[IO[bytes]]:
    """The file, for appending, which no other process writes meanwhile; whoever has it is waited for."""
    while True:
        with open(path, "ab") as file:
            lock(file.fileno(), wait=True)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):  # else it was moved away meanwhile
                    yield file
                    return


def _clean(path: Path) -> None:
    """Remove what older versions left when they were killed: a folder of a random name, with this file alone in it."""
    for folder in path.parent.glob(".*"):
        with contextlib.suppress(OSError):
            if re.fullmatch(r"\.[a-z0-9_]{8}", folder.name) and folder.is_dir() and not folder.is_symlink():
                own = os.listdir(folder) == [path.name]
                if own and time.time() - (folder / path.name).stat().st_mtime > _OLD:
                    shutil.rmtree(folder)
