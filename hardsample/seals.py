"""The SHA-256 that a stored record ends with, and the file of those of older records, which carry none."""

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

CHECKSUMS = "checksums.sha256"
"""In a store's folder: of each older record its SHA-256 and its path below the folder, as ``sha256sum`` writes them."""

_END = b"\n}\n"  # of a record, which is a JSON object
_SEAL = re.compile(rb',\n"sha256": "([0-9a-f]{64})"\n\}\n\Z')
_LAST = 120  # bytes of a record in which its checksum stands


def sealed(content: bytes) -> bytes:
    """A record with its SHA-256 as the last of its fields.

    Raises:
        ValueError: it does not end as a record does.
    """
    if not content.endswith(_END):
        raise ValueError("no record")
    digest = hashlib.sha256(content).hexdigest()
    return content.removesuffix(_END) + f',\n"sha256": "{digest}"'.encode() + _END


def check(content: bytes, known: str | None) -> None:
    """Refuse a record that is not as it was written.

    Args:
        known: the SHA-256 of one without a seal, None if that is not kept anywhere.

    Raises:
        ValueError: it was changed.
    """
    digest = seal_of(content)
    if digest is None and b'"sha256"' in content[-_LAST:]:
        raise ValueError("it was changed after it was written: its checksum does not stand where it was put")
    digest = digest or known
    if digest is not None and hashlib.sha256(unsealed(content)).hexdigest() != digest:
        raise ValueError("it was changed after it was written: its checksum is another")


def unsealed(content: bytes) -> bytes:
    """A record without its SHA-256."""
    return _SEAL.sub(_END, content)


def seal_of(content: bytes) -> str | None:
    """The SHA-256 that a record carries; None for an older one."""
    found = _SEAL.search(content[-_LAST:])
    return found[1].decode() if found else None


def read(root: Path) -> dict[str, str]:
    """The checksums in a store's folder, by the paths of the records below it; empty where there are none."""
    path = root / CHECKSUMS
    try:
        found = path.stat()
        return _lines(path, found.st_mtime_ns, found.st_size)
    except (OSError, UnicodeDecodeError):
        return {}


@functools.lru_cache(maxsize=4)
def _lines(path: Path, *_state: int) -> dict[str, str]:
    lines = path.read_text("utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}


def known(root: Path, record: Path) -> str | None:
    """The checksum that a store's folder keeps of a record below it; None for none."""
    return read(root).get(record.relative_to(root).as_posix())


def encode(checksums: Mapping[str, str]) -> bytes:
    """What the file of checksums holds."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(checksums.items())).encode()


def of_unsealed(root: Path, records: Iterable[Path]) -> dict[str, str]:
    """The checksums of those records below ``root`` that carry none, by their paths below it."""
    found = ((path, path.read_bytes()) for path in records)
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(content).hexdigest()
        for path, content in found
        if seal_of(content) is None
    }
