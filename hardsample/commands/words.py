"""A stored run in lines for people: its configuration, how it was made, and numbers."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from hardsample.config import Run
from hardsample.records import StoredRun
from hardsample.runs.progress import format_duration

METRICS = ("acc/train", "acc/val", "loss/train", "loss/val")
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Run)}


def configuration(run: Run) -> dict[str, str]:
    """Every field in words, an option beside its method's name."""
    fields = {name: word(value) for name, value in run.to_dict().items() if name != "options"}
    return fields | {f"option {name}": word(value) for name, value in run.options.items()}


def defaults(run: Run) -> set[str]:
    """The names in :func:`configuration` whose values a run has where nothing is said."""
    return {name for name, value in run.to_dict().items() if value == _DEFAULTS[name]}


def origin(record: StoredRun) -> dict[str, str]:
    """Where, when and with what it was made, and how long it took."""
    made = dict(record.provenance)
    data, seconds, versions = (made.pop(name, {}) for name in ("data", "seconds", "versions"))
    plugins = made.pop("plugins", {})
    told = {name: word(value) for name, value in made.items()}
    told |= {f"{name} version": word(version) for name, version in versions.items()}
    told |= {f"{name} seconds": f"{spent:.1f} ({format_duration(spent)})" for name, spent in seconds.items()}
    told |= {f"data {name}": word(value) for name, value in data.items()}
    return told | {f"plugin {name}": f"sha256 {about['sha256'][:16]}" for name, about in plugins.items()}


def word(value: Any) -> str:
    """A plain value as text."""
    if value is None or isinstance(value, bool):
        return {None: "none", False: "no", True: "yes"}[value]
    if isinstance(value, Mapping | list):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def metric(value: float | None) -> str:
    """A metric as text, "diverged" where it is not finite."""
    if value is None:
        return "-"
    return f"{value:.4f}" if value - value == 0 else "diverged"
