"""The command line: `hardsample run | figures | tables | reproduce | lab | verify | status | data | gpu | gpu-merge`.

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
from hardsample.commands import knobs
from hardsample.errors import InputError

if TYPE_CHECKING:
    from hardsample.experiments.registry import Experiment
    from hardsample.runs.launch import LaunchReport


HERE = ("figures", "reproduce")  # the commands of this module; each other one has a module of its own
SIDE_BY_SIDE = 2  # notebooks drawn at once, where there is more than one core


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status: 0 done, 1 incomplete or unsound, 2 bad input, 130 interrupted."""
    try:
        options = _parser().parse_args(arguments)
        for plugin in getattr(options, "plugin", ()):
            plugins.load(plugin)
        with extras.explained():
            if options.command in HERE:
                return globals()[f"_{options.command}"](options)
            module = importlib.import_module(f"hardsample.commands.{options.command.replace('-', '_')}")
            return module.do(options)
    except InputError as error:
        return _refuse(str(error))
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


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="hardsample", description="Train with the hard examples first, and repeat the papers' figures and tables."
    )
    parser.add_argument("--version", action="version", version=f"hardsample {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    data, what, where = _parent(knobs.DATA), _parent(knobs.WHAT | knobs.PLUGIN), _parent(knobs.WHERE)
    for name, parents, does in (
        ("run", [what, data, where], "compute the runs that are not stored yet"),
        ("figures", [what, data], "draw figures and tables from what is stored, and say what is missing"),
        ("tables", [_parent(knobs.TWICE)], "write the tables over all stored runs"),
        ("reproduce", [what, data, where], "compute what is missing, then draw every figure and table"),
        ("lab", [_parent(knobs.LAB)], "open copies of the notebooks in JupyterLab"),
        ("verify", [], "check every stored run"),
        ("status", [what, data], "count each figure's runs, and the minutes that those done took"),
        ("data", [_parent(knobs.ONE | knobs.PLUGIN)], "load or download a data set and describe it"),
        ("gpu", [_parent(knobs.STAGES)], "do what a GPU is needed for, in stages, as far as the minutes go"),
        ("gpu-merge", [_parent(knobs.BROUGHT)], "check what `gpu` brought home, and store its runs"),
    ):
        command = commands.add_parser(name, help=does, description=does, parents=parents)
        command.set_defaults(command=name)
    return parser


def _parent(options: dict[str, dict]) -> argparse.ArgumentParser:
    parent = argparse.ArgumentParser(add_help=False)
    for name, settings in options.items():
        parent.add_argument(name, **settings)
    return parent
