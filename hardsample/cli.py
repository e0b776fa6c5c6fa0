"""The command line: `hardsample run | figures | tables | reproduce | verify | status | data | gpu | gpu-merge`.

Nothing heavy is imported before a command needs it, so that --help answers at once.
"""

import argparse
import functools
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hardsample import __version__, extras, paths, plugins
from hardsample.errors import InputError

if TYPE_CHECKING:
    from hardsample.experiments.registry import Experiment
    from hardsample.runs.launch import LaunchReport


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)


SIDE_BY_SIDE = 2  # notebooks drawn at once, where there is more than one core

WHAT = {
    "--profile": {
        "default": "quick",
        "help": "how much is computed: smoke, quick, hour or paper (default: %(default)s)",
    },
    "--figure": {
        "default": "",
        "help": "a figure or table, such as table-3, or all of base-values, hard-samples or rivals (default: all)",
    },
    "--seeds": {"type": _count, "help": "seeds for each method (default: the profile's)"},
    "--examples": {"type": _count, "help": "at most so many training examples (default: the profile's)"},
    "--precision": {"default": "auto", "help": "auto, float32, tf32 (on a GPU) or bf16 (default: %(default)s)"},
    "--networks": {"help": "hard-samples: all, or names such as resnet18,resnet50 (default: the profile's)"},
    "--protocol": {"help": "hard-samples: sound, or published as the paper did (default: sound)"},
}
DATA = {
    "--data": {
        "default": "auto",
        "help": "a name such as cifar10 or stand-in, or a file.npz (default: what the profile is for)",
    },
}
PLUGIN = {
    "--plugin": {
        "action": "append",
        "default": [],
        "metavar": "FILE.py",
        "help": "a Python file of your own that registers a method, network, data set, profile or experiment; may be"
        " given more than once",
    },
}
ONE = {"--data": {"default": "glyphs", "help": "a name such as emnist-letters, or a file.npz (default: %(default)s)"}}
STAGES = {
    "--minutes": {"type": float, "default": 10.0, "help": "what the whole call may take (default: %(default)g)"},
    "--out": {
        "type": Path,
        "default": Path("gpu-results"),
        "metavar": "FOLDER",
        "help": "where results go, and go on from an earlier call's (default: %(default)s)",
    },
    "--device": {"default": "cuda", "help": "cuda, or cpu to rehearse (default: %(default)s)"},
    "--tiny": {"action": "store_true", "help": "a few seconds of every stage"},
    "--data": {
        "default": "",
        "help": "a name or a file.npz (default: sd19-letters, or pseudo-random images with --tiny)",
    },
    "--stages": {
        "default": "",
        "help": "names joined by commas, of environment, correctness, runs, benchmarks, tests, float32, networks"
        " (default: all)",
    },
}
TWICE = {
    "--replicates": {
        "type": Path,
        "default": Path("replicates/cpu"),
        "metavar": "FOLDER",
        "help": "runs that were computed a second time, to compare with those stored (default: %(default)s)",
    },
}
WHERE = {
    "--device": {"default": "auto", "help": "auto, cpu or cuda (default: %(default)s)"},
    "--workers": {"type": int, "default": 0, "help": "worker processes (default: one for each GPU, or each CPU core)"},
    "--scheduler": {"default": "", "help": "address of a Dask scheduler, tcp://host:8786 (default: this machine)"},
    "--time-limit": {"help": "stop cleanly after 90s, 9m or 1h; the same command goes on from there (default: none)"},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status: 0 done, 1 incomplete or unsound, 2 bad input, 130 interrupted."""
    try:
        options = _parser().parse_args(arguments)
        for plugin in getattr(options, "plugin", ()):
            plugins.load(plugin)
        with extras.explained():
            return options.command(options)
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


def _run(options: argparse.Namespace) -> int:
    report = _launch(options, _experiments(options))
    return 1 if report.failed or report.missing else 0


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


def _tables(options: argparse.Namespace) -> int:
    from hardsample.report import deviation_effects, figures, large_batches, replicates
    from hardsample.runs.store import Store

    store, other, folder = Store(), Store(options.replicates), paths.figures_dir()
    records, others = store.records(), other.records()
    print(*deviation_effects.save(deviation_effects.table(records), folder / "deviations"), sep="\n")
    experiment = large_batches.experiment()
    if store.done(experiment.runs):
        print(*large_batches.save(store.curves(experiment), figures.stem(experiment)), sep="\n")
    else:
        print(f"{experiment.name}: nothing of it is stored, not written")
    homes = {record.run.data: folder / other.path(record.run).parent.relative_to(other.root) for record in others}
    print(*replicates.save_each(replicates.compare(records, others), homes), sep="\n")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from hardsample.runs.store import Store

    store = Store()
    problems = store.verify()
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(store.records())} finished runs checked in {store.root}, {len(problems)} problems")
    return 1 if problems else 0


def _status(options: argparse.Namespace) -> int:
    from hardsample.runs.store import Store

    store, rows = Store(), [("figure", "wanted", "done", "missing", "minutes")]
    for experiment in _experiments(options):
        done = store.done(experiment.runs)
        minutes = sum(made["seconds"]["wall"] / made["cohort"] for made in done.values()) / 60
        wanted = len(experiment.runs)
        rows.append((experiment.name, *map(str, (wanted, len(done), wanted - len(done))), f"{minutes:.1f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *counts in rows:
        print(name.ljust(widths[0]), *(count.rjust(width) for count, width in zip(counts, widths[1:], strict=True)))
    return 0


def _data(options: argparse.Namespace) -> int:
    from hardsample.data.catalogue import DATASETS
    from hardsample.data.dataset import load

    data = load(options.data)
    known = DATASETS.get(data.name)
    about = "stand-in" if data.stand_in else known and known.label
    print(f"name         {data.name}{f' ({about})' if about else ''}")
    if known:
        for heading, words in (("what", known.what), ("from", known.origin), ("made", known.recipe)):
            if words:
                print(f"{heading:<13}{words}")
    print(f"train        {' x '.join(map(str, data.x_train.shape))}")
    print(f"test         {' x '.join(map(str, data.x_test.shape))}")
    print(f"classes      {len(data.classes)}: {' '.join(data.classes)}")
    print(f"fingerprint  {data.fingerprint}{_compared(data.fingerprint, known.fingerprint) if known else ''}")
    return 0


def _compared(found: str, known: str) -> str:
    """What a fingerprint tells, beside the one that is known; nothing where none is."""
    if not known:
        return ""
    return ", the known one" if found == known else f"; the known one is {known}: give other content another name"


def _gpu(options: argparse.Namespace) -> int:
    from hardsample.gpu import campaign, plan

    data = options.data or (plan.TINY if options.tiny else plan.DATA)
    stages = campaign.campaign(
        options.out,
        minutes=options.minutes,
        settings=plan.Settings(options.device, options.tiny, data),
        stages=options.stages,
        say=functools.partial(print, flush=True),
    )
    return 0 if all(about["state"] in ("done", "left out") for about in stages.values()) else 1


def _gpu_merge(options: argparse.Namespace) -> int:
    from hardsample.gpu import merge

    print(*merge.merge(options.folder), sep="\n")
    return 0


def _experiments(options: argparse.Namespace) -> "list[Experiment]":
    from hardsample.experiments.registry import grids

    knobs = ("profile", "data", "seeds", "examples", "precision", "networks", "protocol")
    return grids(options.figure, **{knob: getattr(options, knob) for knob in knobs})


def _launch(options: argparse.Namespace, experiments: "Sequence[Experiment]") -> "LaunchReport":
    from hardsample.runs.launch import launch

    return launch(
        [run for experiment in experiments for run in experiment.runs],
        sources={name: source for experiment in experiments for name, source in experiment.sources.items()},
        device=options.device,
        workers=options.workers,
        scheduler=options.scheduler,
        time_limit=options.time_limit,
    )


def _missing(experiment: "Experiment") -> list:
    from hardsample.runs.store import Store

    return Store().missing(experiment.runs)


def _begun(experiment: "Experiment") -> bool:
    """Whether anything that the experiment draws is stored, or it needs nothing stored."""
    from hardsample.runs import timing
    from hardsample.runs.store import Store

    if experiment.runs:
        return bool(Store().done(experiment.runs))
    return not experiment.timed or len(timing.measure(experiment, compute=False).frame) > 0


def _draw(options: argparse.Namespace, experiments: "Sequence[Experiment]", *, compute: bool) -> tuple[list[Path], int]:
    """Run the experiments' notebooks, each in a process of its own: the files they wrote, and how many failed."""
    parameters = {name: value for name, value in vars(options).items() if isinstance(value, str | int)}
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


def _notebook(name: str, parameters: dict[str, str | int], loaded: list[str]) -> None:
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
    data, what, where = _knobs(DATA), _knobs(WHAT | PLUGIN), _knobs(WHERE)
    for name, function, knobs, does in (
        ("run", _run, [what, data, where], "compute the runs that are not stored yet"),
        ("figures", _figures, [what, data], "draw figures and tables from what is stored, and say what is missing"),
        ("tables", _tables, [_knobs(TWICE)], "write the tables over all stored runs"),
        ("reproduce", _reproduce, [what, data, where], "compute what is missing, then draw every figure and table"),
        ("verify", _verify, [], "check every stored run"),
        ("status", _status, [what, data], "count each figure's runs, and the minutes that those done took"),
        ("data", _data, [_knobs(ONE | PLUGIN)], "load or download a data set and describe it"),
        ("gpu", _gpu, [_knobs(STAGES)], "do what a GPU is needed for, in stages, as far as the minutes go"),
    ):
        command = commands.add_parser(name, help=does, description=does, parents=knobs)
        command.set_defaults(command=function)
    does = "check what `gpu` brought home, and store its runs"
    command = commands.add_parser("gpu-merge", help=does, description=does)
    command.add_argument("folder", type=Path, metavar="FOLDER", help="what `gpu` was given as --out")
    command.set_defaults(command=_gpu_merge)
    return parser


def _knobs(knobs: dict[str, dict]) -> argparse.ArgumentParser:
    parent = argparse.ArgumentParser(add_help=False)
    for flag, settings in knobs.items():
        parent.add_argument(flag, **settings)
    return parent
