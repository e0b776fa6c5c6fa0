"""The command line, `hardsample COMMAND`: what was typed is read here, and done by :mod:`hardsample.commands`.

Nothing heavy is imported before a command needs it, so that --help answers at once.
"""

import argparse
import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from hardsample import __version__, extras, paths, plugins
from hardsample.commands.knobs import COMMANDS
from hardsample.errors import InputError, did_you_mean


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    The exit status is 0 when all is done, 1 where it is incomplete or unsound, 2 for bad input, 130 when interrupted,
    and 141 when whoever read the output has gone.
    """
    _open_streams()
    os.environ.pop("MPLBACKEND", None)  # figures are files: a backend of windows, or of none, would only stop them
    try:
        return _main(list(sys.argv[1:] if arguments is None else arguments))
    except BrokenPipeError:
        _let_go()
        return 128 + signal.SIGPIPE


def _main(arguments: list[str]) -> int:
    try:
        try:
            return _do(_parse(arguments))
        finally:
            sys.stdout.flush()  # here rather than at exit, where nothing can be caught
    except InputError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        raise
    except OSError as error:
        why = paths.reason(error)
        if why is None:
            raise
        _let_go()
        verb = "find" if error.errno in (errno.ENAMETOOLONG, errno.ELOOP) else "write"
        return _refuse(f"cannot {verb} {error.filename or 'the output'}: {why}.")
    except KeyboardInterrupt:
        print("hardsample: interrupted; finished runs are kept, the same command goes on from there.", file=sys.stderr)
        return 130


def _do(options: argparse.Namespace) -> int:
    for plugin in getattr(options, "plugin", ()):
        plugins.load(plugin)
    with extras.explained():
        if getattr(options, "dry_run", False) and options.command in ("run", "reproduce"):
            return importlib.import_module("hardsample.commands.forecast").do(options)
        module = importlib.import_module(f"hardsample.commands.{options.command.replace('-', '_')}")
        return module.do(options)


def _open_streams() -> None:
    """Whatever the process was started with, let it say all: a closed stream leads nowhere, and no character stops it.

    What is closed is opened before anything else could take its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  it stays open
            os.set_inheritable(getattr(sys, name).fileno(), True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _let_go() -> None:
    """Write what was said; a stream that cannot be written leads nowhere from here on, or the exit would fail too."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _refuse(sentence: str) -> int:
    try:
        print("hardsample:", *sentence.split("\n"), file=sys.stderr)
    except OSError:
        _let_go()
    return 2


class _Parser(argparse.ArgumentParser):
    """Bad arguments end as every other bad input does."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help).")


def _parse(arguments: list[str]) -> argparse.Namespace:
    """The options, with what is near where a command or an option is not known."""
    for name in arguments[:1]:
        if not name.startswith("-") and name not in COMMANDS:
            raise InputError(f"unknown command {name!r}{did_you_mean(name, COMMANDS)}: see hardsample --help.")
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        flags = [flag for flag in COMMANDS[options.command][0] if flag.startswith("-")]
        meant = did_you_mean(unknown[0].split("=")[0], flags)
        raise InputError(f"unknown argument {unknown[0]!r}{meant}: see hardsample {options.command} --help.")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="hardsample", description="Train with the hard examples first, and repeat the papers' figures and tables."
    )
    parser.add_argument("--version", action="version", version=f"hardsample {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for name, (options, does) in COMMANDS.items():
        command = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
        for flag, settings in options.items():
            command.add_argument(flag, **settings)
    return parser
