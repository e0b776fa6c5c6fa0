"""Measure, and keep it in results/<machine>.json and README.md; a part named alone renews its own rows."""

import argparse
import dataclasses
import importlib
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from benchmarks import reckoning
from benchmarks.measure import Row, gpu
from hardsample import paths
from hardsample.errors import InputError
from hardsample.runs.provenance import commit, device_name, versions

HERE = Path(__file__).parent
RESULTS = HERE / "results"
MARK = "<!-- measured -->"
PARTS = {
    "step": "The training step of the letters CNN, one thread",
    "precision": "What bf16 does to paper A's results",
    "choosing": "Choosing",
    "lb": "LB's step",
    "small_maps": "ResNet-18 on small images, one thread",
    "rounds": "Hard mini-batches",
    "samplers": "Samplers in a training loop of one's own",
    "fused": "The fused step of twelve seeds on a GPU",
    "cohort": "Twelve seeds as one cohort on a GPU",
    "networks": "Paper B's networks on a GPU",
    "workers": "Many runs and many workers",
    "startup": "Start-up",
}
"""Modules of this folder, each with a ``measure() -> list[Row]``, and their titles."""


def table(rows: list[Row]) -> str:
    """Markdown, a line a row."""
    lines = ["| what | sides | measured | quartiles | rounds | wanted | kept |", "| --- " * 7 + "|"]
    for row in rows:
        value = "" if row.value is None else f"{row.value:.3g} {row.unit}"
        quartiles = " to ".join(f"{value:.3g}" for value in row.quartiles or ())
        cells = (row.what, row.sides, value, quartiles, row.n or "", row.wanted, row.verdict)
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def machine() -> dict[str, object]:
    """The hardware and versions that the numbers are of."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    abilities = [name for name in ("avx512_bf16", "amx_tile") if getattr(torch.cpu, f"_is_{name}_supported", bool)()]
    return {
        "cpu": device_name("cpu"),
        "cores": os.cpu_count(),
        "bf16": abilities,
        "gib": round(memory),
        "gpu": device_name("cuda") if gpu() else None,
    }


def slug(machine: Mapping[str, object]) -> str:
    """A file name for the machine."""
    name = f"{machine['cpu']} {machine['cores']} cores {machine['gpu'] or ''}"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def section(record: Mapping[str, object]) -> str:
    """What one machine's results say, in Markdown; a record of other parts than ``PARTS`` has a heading and titles."""
    text = f"## {record.get('heading') or heading(record['machine'])}\n"
    if "note" in record:
        text += f"\n{record['note']}\n"
    for part, title in (PARTS | record.get("titles", {})).items():
        if part in record["parts"]:
            measured = record["parts"][part]
            found = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
            rows = [Row(**row) for row in measured["rows"]]
            text += f"\n### {title}\n\n{table(rows)}\n\nMeasured at {measured['commit'][:7]} with {found}.\n"
    return text


def heading(hardware: Mapping[str, object]) -> str:
    """The machine in a line."""
    bf16 = f" ({', '.join(hardware['bf16'])})" if hardware["bf16"] else ""
    return f"{hardware['cpu']}, {hardware['cores']} cores{bf16}, {hardware['gib']} GiB, {hardware['gpu'] or 'no GPU'}"


def results() -> list[dict]:
    """Every record kept."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]


def shown(records: list[dict]) -> str:
    """All that README.md says below the mark."""
    fused = [row for record in records if "fused" in record["parts"] for row in record["parts"]["fused"]["rows"]]
    computed = reckoning.page(measured=any(row["value"] is not None for row in fused))
    return "\n".join([*map(section, records), computed])


def main(names: list[str], out: Path | None = None) -> None:
    """Run the named parts, all by default; with ``out`` results go into that folder, and README.md stays as it is."""
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"unknown benchmark {unknown[0]!r}: choose from {', '.join(PARTS)}.")
    here, folder = machine(), out or RESULTS
    try:
        paths.check_writable(folder)
    except InputError as error:
        why = paths.reason(error.__cause__) or error.__cause__.strerror
        sys.exit(f"no results can be kept in {folder} ({why}): mend that, or choose another folder with --out.")
    path = folder / f"{slug(here)}.json"
    parts = json.loads(path.read_text())["parts"] if path.is_file() else {}
    for name in names or PARTS:
        rows = importlib.import_module(f"benchmarks.{name}").measure()
        print(f"{PARTS[name]}\n{table(rows)}\n", flush=True)
        measured = [dataclasses.asdict(row) for row in rows]
        parts[name] = {"commit": commit(), "versions": versions(), "rows": measured}
        record = {"machine": here, "parts": parts}
        paths.write_atomically(path, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
        if out is None:
            _renew_readme()


def _renew_readme() -> None:
    readme = HERE / "README.md"
    before = readme.read_text().split(MARK)[0]
    paths.write_atomically(readme, f"{before}{MARK}\n\n{shown(results())}".encode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parts = "; ".join(f"{name}: {title}" for name, title in PARTS.items())
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all by default. {parts}")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the results there, and leave README.md alone")
    arguments = parser.parse_args()
    main(arguments.parts, arguments.out)
