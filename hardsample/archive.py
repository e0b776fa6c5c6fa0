"""Finished runs in one file that travels: a packed tar with a manifest, and nothing in it is believed unread."""

import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardsample.errors import InputError

NAME = "runs.tar.gz"
MANIFEST = "manifest.json"
FORMAT = 1
LARGEST = 16 << 20  # bytes of a packed file
UNPACKED = 256 << 20  # bytes of all that is in it

_MEMBER = re.compile(r"(?:[\w+=-][\w.+=-]*/){2}[\w+=-][\w.+=-]*\.json", re.ASCII)  # paper/data/run.json


def pack(root: Path) -> bytes:
    """The finished runs of the store at ``root``: equal bytes for equal files.

    The manifest comes first. It names of each run its key, file, SHA-256, number of rows, the fingerprint of its data
    and the hash of the sources that made it, and it lists the versions that they were made with.
    """
    entries, versions, members = [], [], {}
    for path in sorted(root.glob("*/*/*.json")):
        name, content = path.relative_to(root).as_posix(), path.read_bytes()
        values = json.loads(content)
        made = values["provenance"]
        entries.append(
            {
                "key": values["key"],
                "file": name,
                "sha256": hashlib.sha256(content).hexdigest(),
                "rows": len(values["rows"]),
                "fingerprint": made["data"]["fingerprint"],
                "source": made["source"],
            }
        )
        versions += [made["versions"]] * (made["versions"] not in versions)
        members[name] = content
    manifest = {"format": FORMAT, "versions": versions, "runs": entries}
    members = {MANIFEST: (json.dumps(manifest, indent=1) + "\n").encode()} | members
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(file.getvalue(), compresslevel=6, mtime=0)


def unpack(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest of a packed store, and its files by name, all of them as the manifest says; nothing is written.

    Raises:
        InputError: it is absent, damaged or too large, holds what is no plain file of a run, or the manifest is missing
            or does not agree with the files.
    """
    try:
        members = _members(_unpacked(path))
        manifest = _manifest(members)
    except OSError as error:
        raise InputError(
            f"cannot read {path} ({error.strerror}): give the folder that `hardsample gpu` filled."
        ) from error
    except (ValueError, tarfile.TarError, zlib.error) as error:
        raise InputError(f"{path} is damaged ({error}): copy it anew from where it was made.") from error
    return manifest, members


def _unpacked(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MiB")
    stream = zlib.decompressobj(wbits=31)  # gzip's
    content = stream.decompress(path.read_bytes(), UNPACKED)
    if stream.unconsumed_tail:
        raise ValueError(f"it unpacks to more than {UNPACKED >> 20} MiB")
    if not stream.eof or stream.unused_data:
        raise ValueError("it is cut off, or something follows it")
    return content


def _members(content: bytes) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for member in tar:
            if member.type != tarfile.REGTYPE:
                raise ValueError(f"{member.name!r} in it is no plain file")
            if member.name != MANIFEST and not _MEMBER.fullmatch(member.name):
                raise ValueError(f"{member.name!r} in it is no name of a run's file")
            if member.name in members:
                raise ValueError(f"{member.name!r} is in it twice")
            members[member.name] = tar.extractfile(member).read()
    return members


def _manifest(members: dict[str, bytes]) -> dict[str, Any]:
    """The manifest, taken out of the ``members`` that it must agree with."""
    if MANIFEST not in members:
        raise ValueError(f"there is no {MANIFEST} in it")
    manifest = json.loads(members.pop(MANIFEST))
    if not isinstance(manifest, Mapping) or manifest.get("format") != FORMAT:
        raise ValueError(f"its manifest is not of format {FORMAT}")
    try:
        named = {entry["file"]: entry["sha256"] for entry in manifest["runs"]}
    except (KeyError, TypeError) as error:
        raise ValueError("its manifest lists no runs") from error
    if len(named) != len(manifest["runs"]) or named.keys() != members.keys():
        odd = sorted(named.keys() ^ members.keys())
        raise ValueError(f"manifest and files differ in {odd[0]!r}" if odd else "its manifest names a file twice")
    for name, digest in named.items():
        if hashlib.sha256(members[name]).hexdigest() != digest:
            raise ValueError(f"{name!r} is not what the manifest says")
    return manifest
