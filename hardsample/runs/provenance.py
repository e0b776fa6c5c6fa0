"""Where and with what a run is made: commit, source, versions, processor and data."""

import functools
import hashlib
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hardsample import paths, plugins
from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.training import deciding_code
from hardsample.training.results import TrainingResult


def provenance(
    run: Run, data: Dataset, device: str, outcome: TrainingResult, *, pretrain: float, wall: float, cohort: int
) -> dict[str, Any]:
    """Where and with what a run was made: ``pretrain`` and ``wall`` in seconds, ``cohort`` seeds trained together."""
    return {
        **surroundings(device),
        "code": deciding_code.fingerprint(run, outcome.computed),
        **outcome.computed,
        "threads": torch.get_num_threads(),
        "cohort": cohort,
        "seconds": outcome.seconds | {"pretrain": pretrain, "wall": wall},
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "stand_in": data.stand_in,
            "classes": len(data.classes),
        },
        **ending(),
    }


def surroundings(device: str) -> dict[str, Any]:
    """Code, versions and machine, known before anything is computed."""
    return {
        "commit": commit(),
        "source": source_hash(),
        "versions": versions(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device_name(device),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        **accelerator(device),
    }


def ending() -> dict[str, Any]:
    """The hour, and the files of one's own that were loaded by then."""
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    return {"finished": finished, **({"plugins": plugins.record()} if plugins.loaded() else {})}


def accelerator(device: str) -> dict[str, Any]:
    """Of a CUDA device what its numbers may depend on: versions of CUDA, cuDNN and the driver; nothing of a CPU."""
    if not device.startswith("cuda"):
        return {}
    return {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "driver": _driver()}


@functools.cache
def _driver() -> str:
    """The version of NVIDIA's driver."""
    try:
        found = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)", Path("/proc/driver/nvidia/version").read_text())
    except OSError:
        return "unknown"
    return found[1] if found else "unknown"


def device_name(device: str) -> str:
    """The model of the GPU or CPU behind a torch device."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return _processor()


@functools.cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


@functools.cache
def commit() -> str:
    """HEAD of the checkout this package runs from, "-dirty" if its own files differ; "unknown" outside of one."""
    package = paths.package_dir()
    if not (package.parent / ".git").exists():
        return "unknown"
    head = _git(package, "rev-parse", "HEAD")
    return head and head + ("-dirty" if _git(package, "status", "--porcelain", "--", ".") else "") or "unknown"


def doubt() -> str:
    """What makes it doubtful which code makes the runs, in a sentence; "" for nothing."""
    if commit().endswith("-dirty"):
        return (
            f"The package differs from commit {commit()[:7]}: runs are marked so, and keep a fingerprint of the code."
        )
    if commit() == "unknown" and (paths.package_dir().parent / ".git").exists():
        return (
            "git does not tell the commit of this checkout, so that runs say commit unknown; they keep a fingerprint of"
            " the code. Install git, or see what `git status` says there."
        )
    return ""


@functools.cache
def source_hash() -> str:
    """16 hexadecimal digits of the SHA-256 of the package's own source: which code it was, where no commit says so."""
    package, digest = paths.package_dir(), hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _git(folder: Path, *arguments: str) -> str:
    """What git answers, also in a checkout of another owner, as a container sees it: its code runs here already."""
    command = ("git", "-c", f"safe.directory={folder.parent}", "-C", str(folder), *arguments)
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


@functools.cache
def versions() -> dict[str, str]:
    """Of Python and of what the numbers depend on."""
    found = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    for name in ("numba", "torchvision", "hardsample"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found
