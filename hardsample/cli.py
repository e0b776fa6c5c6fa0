"""The command line, `hardsample COMMAND`: what was typed is read here, and done by :mod:`hardsample.commands`.

Nothing heavy is imported before a command needs it, so that --help answers at once.
"""

import argparse
import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hardsample import __version__, extras, paths, plugins
from hardsample.commands.knobs import COMMANDS
from hardsample.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from hardsample.experiments.registry import Experiment
    from hardsample.runs.launch import LaunchReport


HERE = ("figures", "reproduce")  # the commands of this module; each other one has a module of its own
SIDE_BY_SIDE = 2  # notebooks drawn at once, where there is more than one core


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    The exit status is 0 when all is done, 1 where it is incomplete or unsound, 2 for bad input, 130 when interrupted,
    and 141 when whoever read the output has gone.
    """
    try:
        try:
            return _main(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            sys.stdout.flush()  # here rather than at exit, where nothing can be caught
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _main(arguments: list[str]) -> int:
    try:
        options = _parse(arguments)
        for plugin in getattr(options, "plugin", ()):
            plugins.load(plugin)
        with extras.explained():
            if getattr(options, "dry_run", False) and options.command in ("run", "reproduce"):
                return importlib.import_module("hardsample.commands.forecast").do(options)
            if options.command in HERE:
                return globals()[f"_{options.command}"](options)
            module = importlib.import_module(f"hardsample.commands.{options.command.replace('-', '_')}")
            return module.do(options)
    except InputError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        raise
    except OSError as error:
        why = paths.reason(error)
        if why is None:
            raise
        return _refuse(f"cannot write {error.filename or 'a file'}: {why}.")
    except KeyboardInterrupt:
        print("hardsample: interrupted; finished runs are kept, the same command goes on from there.", file=sys.stderr)
        return 130


def _reproduce(options: argparse.Namespace) -> int:
    experiments = _experiments(options)
    paths.check_writable(paths.figures_dir())
    report = _launch(options, experiments)
    complete = [experiment for experiment in experiments if not _missing(experiment)]
    files, failures = _draw(options, complete, compute=True)
    drawn = len(complete) - failures
    print(f"{drawn} of {len(experiments)} figures drawn, {len(files)} files written; {report}")
    return 0 if drawn == len(experiments) else 1


def _figures(options: argparse.Namespace) -> int:
    experiments = _experiments(options)
    paths.check_writable(paths.figures_dir())
    begun = [experiment for experiment in experiments if _begun(experiment)]
    for experiment in experiments:
        if experiment not in begun:
            print(f"{experiment.name}: nothing of it is stored, not drawn")
        elif missing := _missing(experiment):
            print(f"{experiment.name}: {len(missing)} of {len(experiment.runs)} runs missing, and said to be")
    files, failures = _draw(options, begun, compute=False)
    drawn = len(begun) - failures
    print(f"{drawn} of {len(experiments)} figures drawn, {len(files)} files written; nothing computed")
    return 0 if drawn == len(experiments) else 1


def _experiments(options: argparse.Namespace) -> "list[Experiment]":
    from hardsample.commands import chosen

    return chosen.experiments(options)


def _launch(options: argparse.Namespace, experiments: "Sequence[Experiment]") -> "LaunchReport":
    from hardsample.commands import chosen

    return chosen.launch_all(options, experiments)


def _missing(experiment: "Experiment") -> list:
    from hardsample.commands import chosen

    return chosen.missing(experiment)


def _begun(experiment: "Experiment") -> bool:
    from hardsample.commands import chosen

    return chosen.begun(experiment)


def _draw(options: argparse.Namespace, experiments: "Sequence[Experiment]", *, compute: bool) -> tuple[list[Path], int]:
    """Run the experiments' notebooks, each in a process of its own: the files they wrote, and how many failed."""
    parameters = {name: value for name, value in vars(options).items() if isinstance(value, str | int | float)}
    parameters["compute"] = compute
    files, failures = [], 0
    width = min(SIDE_BY_SIDE, os.cpu_count() or 1)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(width, spawn, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        try:
            loaded = plugins.loaded()
            drawing = {
                pool.submit(_notebook, experiment.name, parameters, loaded): experiment for experiment in experiments
            }
            for future in as_completed(drawing):
                try:
                    future.result()
                except RuntimeError as error:
                    print(f"hardsample: {error}", file=sys.stderr)
                    failures += 1
                else:
                    written = _outputs(drawing[future])
                    print(*written, sep="\n", flush=True)
                    files += written
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return files, failures


def _notebook(name: str, parameters: dict[str, str | int | float], loaded: list[str]) -> None:
    from hardsample import notebooks

    declared = notebooks.parameters(name)
    notebooks.run(name, {knob: parameters[knob] for knob in declared if knob in parameters}, plugins=loaded)


def _outputs(experiment: "Experiment") -> list[Path]:
    from hardsample.report import figures

    stem = figures.stem(experiment)
    return sorted({*stem.parent.glob(f"{stem.name}.*"), *stem.parent.glob(f"{stem.name}-*")})


def _refuse(sentence: str) -> int:
    print(f"hardsample: {sentence}", file=sys.stderr)
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
