"""What is said of a method where it is defined: its name, its look in figures, and how it enters the contest."""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from hardsample import arguments
from hardsample.errors import InputError, check_choice
from hardsample.methods.base import Method, check_seeds

BUDGETS = ("updates", "backward passes", "wall-clock")
"""What is held equal among the methods of the contest."""


@dataclasses.dataclass(frozen=True)
class Look:
    """How a curve is drawn: matplotlib's colour, dashes and marker."""

    color: str
    line: str | tuple[float, tuple[float, ...]]
    marker: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """A method as it enters the contest, under its ``budgets``; a ``scheduled`` one is told its epochs as an option.

    One that trains ``times`` as long as the budget does not compete: it stands beside those that do. ``control`` names
    the entry that this one is to be compared with, besides the baseline. ``backpropagated`` is the share of a
    mini-batch that an update passes backward. ``method`` and ``name``, what its curves are called, are the spec's own
    where they are not given.
    """

    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    loss: str = "cross-entropy"
    scheduled: bool = False
    budgets: tuple[str, ...] = BUDGETS
    times: float = 1.0
    control: str = ""
    backpropagated: float = 1.0
    method: str = ""
    name: str = ""


def _check_kind(name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise InputError(f"{name} have {arguments.told(value)} among them: give each as a {kind.__name__}.")


METHODS: dict[str, "MethodSpec"] = {}
"""Every method by its name, in the order of tables and legends."""
LOOKS: dict[str, Look] = {}
"""The looks of curves by their names, in the order of legends."""
ENTRIES: dict[str, Entry] = {}
"""What enters the contest by the names of its curves, in the order of tables."""
DIFFERENCES: dict[str, str] = {}
"""By method, what sets it apart from its authors' code, for readers of tables."""


@dataclasses.dataclass(frozen=True)
class MethodSpec:
    """A method and all that is said of it.

    Args:
        name: what :class:`hardsample.Run` calls it.
        build: the class, called as :class:`hardsample.methods.base.Method` says; keyword-only arguments are options.
        title: what a curve with such options is called, if that is not always ``name``.
        looks: of its curves by their names; a curve that has none gets a spare one.
        entries: how it enters the contest; empty if it does not.
        differences: what sets it apart from its authors' code, in words for readers of tables.
    """

    name: str
    build: Callable[..., Method]
    title: Callable[[Mapping[str, Any]], str] | None = None
    looks: Mapping[str, Look] = dataclasses.field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    differences: str = ""

    def register(self) -> None:
        """Enter the method under its name; once more changes nothing.

        Raises:
            InputError: the name, or that of a curve, is another method's, or a field is of another type; nothing
                is changed.
        """
        arguments.file_name("the name of the method", self.name)
        if not callable(self.build):
            raise InputError(f"build is {arguments.told(self.build)}: give the class of the method {self.name}.")
        arguments.function("title", self.title)
        for look in arguments.mapping("looks", self.looks).values():
            _check_kind("looks", look, Look)
        if not isinstance(self.entries, tuple):
            raise InputError(f"entries are {arguments.told(self.entries)}: give a tuple of Entry.")
        for entry in self.entries:
            _check_kind("entries", entry, Entry)
        if METHODS.get(self.name) == self:
            return
        entries = {entry.name: entry for entry in map(self._completed, self.entries)}
        taken: list[tuple[Iterable[str], Mapping[str, Any], str]] = [
            ({self.name}, METHODS, "method"),
            (self.looks, LOOKS, "look"),
            (entries, ENTRIES, "entry"),
        ]
        for names, known, what in taken:
            for name in names:
                if name in known:
                    raise InputError(
                        f"there is a {what} {name!r} already: choose another name than {', '.join(known)}."
                    )
        METHODS[self.name] = self
        LOOKS.update(self.looks)
        ENTRIES.update(entries)
        if self.differences:
            DIFFERENCES[self.name] = self.differences

    def made(self, size: int, n: int, seeds: Tensor, first_step: int, options: Mapping[str, Any]) -> Method:
        """The method as :attr:`build` makes it, of what was checked.

        Raises:
            InputError: an unknown option, or one out of its range or of another type; or ``seeds`` are no int64 [S].
        """
        size = arguments.whole("size", size, 1, "at least 1 example")
        n = arguments.whole("n", n, 1, "at least 1 example a mini-batch")
        first_step = arguments.whole("first_step", first_step, 0, "a number of steps, from 0 on")
        check_seeds(seeds)
        for option, value in arguments.mapping("options", options).items():
            check_choice(f"option of {self.name}", option, self.option_names or ["none: it has no options"])
            self._check_option(option, value)
        return self.build(size, n, seeds, first_step, **options)

    def _check_option(self, option: str, value: Any) -> None:
        """Raise unless the value is of the type of that option, as far as annotation and default tell."""
        parameter = inspect.signature(self.build).parameters[option]
        kinds = {parameter.annotation, *typing.get_args(parameter.annotation), type(parameter.default)}
        if value is None and type(None) in kinds:
            return
        if bool in kinds:
            arguments.flag(option, value)
        elif float in kinds:
            arguments.real(option, value)
        elif int in kinds:
            arguments.whole(option, value, -arguments.MOST, "a whole number")
        elif str in kinds:
            arguments.text(option, value, f"a word such as {parameter.default!r}")

    def curve(self, options: Mapping[str, Any]) -> str:
        """What a curve of the method with these options is called."""
        return self.title(options) if self.title else self.name

    @property
    def option_names(self) -> list[str]:
        """What can be chosen of the method."""
        return list(self.defaults)

    @property
    def defaults(self) -> dict[str, Any]:
        """What can be chosen of the method, and what is where nothing is."""
        parameters = inspect.signature(self.build).parameters.values()
        return {one.name: one.default for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}

    @property
    def changes_learning_rate(self) -> bool:
        """Has the method a learning-rate factor of its own?"""
        own = getattr(self.build, "learning_rate_factor", Method.learning_rate_factor)
        return own is not Method.learning_rate_factor

    def _completed(self, entry: Entry) -> Entry:
        method, name = entry.method or self.name, entry.name or self.curve(entry.options)
        return dataclasses.replace(entry, method=method, name=name)
