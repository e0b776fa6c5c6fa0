"""Methods, networks, data sets, profiles and experiments of one's own, from a file outside the package."""

import dataclasses
import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from hardsample.errors import InputError


class Registrable(Protocol):
    """What :func:`register` takes."""

    def register(self) -> None:
        """Check itself, and enter its registry."""


Spec = TypeVar("Spec", bound=Registrable)


@dataclasses.dataclass(frozen=True)
class Plugin:
    """A file that was loaded: ``path`` is absolute, ``source`` the text that was run."""

    path: Path
    source: str

    @property
    def sha256(self) -> str:
        """Of the source."""
        return hashlib.sha256(self.source.encode()).hexdigest()


_loaded: dict[str, Plugin] = {}


def register(spec: Spec) -> Spec:
    """Enter a method, network, data set, profile or experiment into its registry, and return it.

    Args:
        spec: a ``MethodSpec``, ``NetworkSpec``, ``DatasetSpec``, ``Profile`` or ``ExperimentSpec``.

    Raises:
        InputError: it is none of these, or its name is taken.
    """
    if isinstance(spec, type) or not callable(getattr(spec, "register", None)):
        raise InputError(
            f"{spec!r} cannot be registered: give a MethodSpec, NetworkSpec, DatasetSpec, Profile or ExperimentSpec."
        )
    spec.register()
    return spec


def load(name: str) -> None:
    """Run a Python file that registers something; a second call for the same file does nothing.

    Args:
        name: a file such as ``my_module.py``, or ``my_module`` for that file in the current folder.

    Raises:
        InputError: there is no such file, another module of its name is loaded, or it fails.
    """
    path = Path(name if name.endswith(".py") else f"{name.replace('.', '/')}.py").resolve()
    if not path.is_file():
        raise InputError(f"no plugin {name!r}: {path} is no file; give a Python file of yours, such as my_module.py.")
    known = _loaded.get(path.stem)
    if known is not None and known.path == path:
        return
    if path.stem in sys.modules:
        raise InputError(f"plugin {name!r} has the name of a module that is loaded: rename the file.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    source = path.read_text(encoding="utf-8")
    sys.modules[path.stem] = module
    try:
        exec(compile(source, path, "exec"), module.__dict__)  # the very text that is recorded
    except InputError as error:
        del sys.modules[path.stem]
        raise InputError(f"plugin {path.name}: {error}") from error
    except Exception as error:
        del sys.modules[path.stem]
        raise InputError(f"plugin {path.name} fails with {type(error).__name__}: {error}; mend the file.") from error
    _loaded[path.stem] = Plugin(path, source)


def loaded() -> list[str]:
    """The absolute paths of the files loaded, in that order."""
    return [str(plugin.path) for plugin in _loaded.values()]


def hashes() -> dict[str, str]:
    """The files of :func:`loaded`, each with the SHA-256 of the source that was run."""
    return {str(plugin.path): plugin.sha256 for plugin in _loaded.values()}


def load_same(wanted: Mapping[str, str]) -> None:
    """Load the files that :func:`hashes` named in another process.

    Raises:
        InputError: a file is absent here, or other than there.
    """
    for path in wanted:
        load(path)
    here = hashes()
    for path, digest in wanted.items():
        if here[path] != digest:
            raise InputError(
                f"the plugin {path} is not the same on this worker as where the runs were launched: give all machines"
                " the same file, and start again workers that have loaded an older one."
            )


def record() -> dict[str, dict[str, str]]:
    """What a run's provenance says of the files loaded: by module, their source and its SHA-256."""
    return {name: {"sha256": plugin.sha256, "source": plugin.source} for name, plugin in _loaded.items()}
