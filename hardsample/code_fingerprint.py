"""A fingerprint of the code that decides a result: every definition that is reached by name from where it begins.

Comments, docstrings, annotations, the words of errors and warnings, and where a definition stands do not count.
"""

import ast
import functools
import hashlib
import sys
import sysconfig
import time
import types
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

PACKAGE = "hardsample"
UNKNOWN = "unknown"
"""The fingerprint of code that was edited after this process began: what runs is not what stands there."""

# Modules that decide no number: they refuse, word or record, or what they give is known by its own fingerprint.
SILENT = tuple(
    f"{PACKAGE}.{name}"
    for name in (
        *("arguments", "code_fingerprint", "config", "errors", "extras", "numerals", "paths", "plugins", "records"),
        *("data.catalogue", "data.download", "data.fingerprints", "data.formats", "data.torchvision_compat"),
        *("methods.specs", "training.network_spec", "training.results"),
    )
)
_TELLING = {"debug", "info", "warning", "error", "exception", "critical", "log", "warn"}  # of loggers and warnings
_BEGAN = time.time()

Place = tuple[str, str]
"""A definition: its module, and its name there."""


def fingerprint(roots: Iterable[Place], leave_out: Collection[str | Place] = ()) -> str:
    """16 hexadecimal digits of the definitions at ``roots`` and of all those of the package, or a plugin, they name.

    Args:
        roots: where to begin; a name that is not defined there, as one imported, leads to where it is.
        leave_out: modules, with those below them, and single definitions that do not matter.

    ``UNKNOWN`` where a file was edited after this process began.
    """
    digests, seen, waiting = set(), set(), list(roots)
    silent = (*SILENT, *(one for one in leave_out if isinstance(one, str)))
    while waiting:
        place = waiting.pop()
        if place in seen or place in leave_out or _below(place[0], silent):
            continue
        seen.add(place)
        module = _module(place[0])
        if module is None:
            continue
        if module.edited:
            return UNKNOWN
        digest, named = module.described(place[1])
        digests |= digest
        waiting += named
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()[:16]


def place_of(value: object) -> Place:
    """Where a function or class is defined, or what a ``functools.partial`` is of; all the module of a lambda."""
    while isinstance(value, functools.partial):
        value = value.func
    name = value.__qualname__.split(".")[0]
    return value.__module__, "" if name == "<lambda>" else name


def _below(module: str, folders: Iterable[str]) -> bool:
    return any(module == folder or module.startswith(f"{folder}.") for folder in folders)


def is_own(module: types.ModuleType) -> bool:
    """Is a module its user's, whose source may change at any time, or was it installed?"""
    if _below(module.__name__, [PACKAGE]) or module.__name__ in sys.builtin_module_names:
        return False
    file = getattr(module, "__file__", None)
    return module.__name__ == "__main__" if file is None else not is_installed(Path(file))


@functools.cache
def is_installed(file: Path) -> bool:
    """Does a file come with Python or an installed package?"""
    file = file.resolve()
    if {"site-packages", "dist-packages"} & set(file.parts):
        return True
    return any(file.is_relative_to(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib"))


def _module(name: str) -> "_Module | None":
    """The module of that name; None for what was installed, or is none."""
    if _below(name, [PACKAGE]):
        file = Path(__file__).parent.joinpath(*name.split(".")[1:])
        file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
        return _read(name, file) if file.is_file() else None
    loaded = sys.modules.get(name)
    if loaded is None or not is_own(loaded):
        return None
    file = getattr(loaded, "__file__", None)
    return _read(name, Path(file)) if file and Path(file).suffix == ".py" else _Module(name, "", edited=True)


@functools.cache
def _read(name: str, file: Path) -> "_Module":
    return _Module(name, file.read_text("utf-8"), edited=_BEGAN < file.stat().st_mtime <= time.time())


class _Module:
    """A module's definitions by name, as they stand in its source."""

    def __init__(self, name: str, source: str, edited: bool = False) -> None:
        self.name, self.edited = name, edited
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, Place] = {}  # by the name here: a module and a name in it, or "" for the module itself
        for statement in _statements(ast.parse(source).body):
            for defined in _defined(statement):
                self.definitions.setdefault(defined, []).append(statement)
            self.imports |= _imported(statement)

    @functools.cache  # noqa: B019 - as long as the module, which is kept
    def described(self, name: str) -> tuple[frozenset[str], tuple[Place, ...]]:
        """Digests of what stands there under a name, and the places that it names; all of the module for ""."""
        if not name:
            return frozenset(), tuple((self.name, each) for each in self.definitions)
        if name not in self.definitions:
            return frozenset(), (self.imports[name],) if name in self.imports else ()
        digests, named = set(), []
        for statement in self.definitions[name]:
            normal = _Normal(self)
            digests.add(hashlib.sha256(normal.text(statement).encode()).hexdigest())
            named += normal.named
        return frozenset(digests), tuple(dict.fromkeys(named))


class _Normal:
    """Writes a definition in a form that stays when nothing changes that counts; ``named`` are the places it names."""

    def __init__(self, module: _Module) -> None:
        self.module, self.named = module, []
        self._local: list[set[str]] = []  # names bound in the functions around
        self._imports: list[dict[str, Place]] = [module.imports]

    def text(self, node: ast.AST | list | object) -> str:
        """Of a node of the tree, a list of them, or a plain value."""
        if isinstance(node, list):
            return f"[{','.join(filter(None, map(self.text, node)))}]"
        if not isinstance(node, ast.AST):
            return repr(node)
        if (place := self._place(node)) is not None:
            self.named.append(place)
            return f"@{place[1] or place[0].rpartition('.')[2]}"
        if isinstance(node, ast.Raise):
            return "raise"
        if isinstance(node, ast.Import | ast.ImportFrom) or self._only_tells(node):
            return ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return "" if node.name == "__repr__" else self._function(node)
        if isinstance(node, ast.Lambda):
            return self._within(node, ["args", "body"])
        if isinstance(node, ast.AnnAssign):
            return self._fields(node, ["target", "value"])
        if isinstance(node, ast.arg):
            return node.arg
        return self._fields(node, [name for name in node._fields if name not in ("ctx", "type_params", "kind")])

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        around = self._fields(node, ["name", "decorator_list"])
        return around + self._within(node, ["args", "body"])

    def _within(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, names: list[str]) -> str:
        body = node.body if isinstance(node.body, list) else [node.body]
        inner = [each for part in body for each in ast.walk(part)]
        bound = {each.id for each in inner if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)}
        bound |= {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
        named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler
        bound |= {each.name for each in inner if isinstance(each, named) and each.name}
        imported: dict[str, Place] = {}
        for each in inner:
            imported |= _imported(each)
        self._local.append(bound - imported.keys())
        self._imports.append(imported)
        text = self._fields(node, names)
        self._local.pop()
        self._imports.pop()
        return text

    def _fields(self, node: ast.AST, names: list[str]) -> str:
        parts = []
        for name in names:
            value = getattr(node, name)
            if name == "body" and isinstance(value, list):
                value = value[1:] if _is_text(value[0]) else value
            if value is not None and value != []:
                parts.append(f"{name}={self.text(value)}")
        return f"{type(node).__name__}({' '.join(parts)})"

    def _only_tells(self, node: ast.AST) -> bool:
        """Is it a statement that refuses or warns, and does nothing else?"""
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
            return False
        called = node.value.func
        if isinstance(called, ast.Attribute) and called.attr in _TELLING:
            return isinstance(called.value, ast.Name) and called.value.id in ("logger", "warnings")
        place = self._place(called)
        return place is not None and place[0] == f"{PACKAGE}.errors"

    def _place(self, node: ast.AST) -> Place | None:
        """The definition, of the package or a plugin, that a name or ``module.name`` stands for."""
        if isinstance(node, ast.Name):
            if any(node.id in bound for bound in self._local):
                return None
            for imports in reversed(self._imports):
                if node.id in imports:
                    return _resolved(*imports[node.id])
            return (self.module.name, node.id) if node.id in self.module.definitions else None
        if isinstance(node, ast.Attribute):
            base = self._place(node.value)
            if base is not None and not base[1]:
                return _resolved(base[0], node.attr)
        return None


def _resolved(module: str, name: str) -> Place | None:
    """Where an imported name leads to; None outside of the package and of plugins."""
    if name and _module(f"{module}.{name}") is not None:
        return f"{module}.{name}", ""
    return (module, name) if _module(module) is not None else None


def _imported(node: ast.AST) -> dict[str, Place]:
    if isinstance(node, ast.ImportFrom) and node.module:
        return {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
    if isinstance(node, ast.Import):
        told = ((alias.asname, alias.name) for alias in node.names)
        return {given or name.split(".")[0]: (name if given else name.split(".")[0], "") for given, name in told}
    return {}


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Those of a module, and of what stands under a condition in it."""
    for statement in body:
        yield statement
        for name in ("body", "orelse", "finalbody"):
            if isinstance(statement, ast.If | ast.Try | ast.With):
                yield from _statements(getattr(statement, name, ()))
        for handler in getattr(statement, "handlers", ()):
            yield from _statements(handler.body)


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
