"""Every command with its options: of each, what argparse needs to know. Nothing heavy is imported here."""

import argparse
from pathlib import Path
from typing import Any

Options = dict[str, dict[str, Any]]


MOST = 10**9


def number(text: str) -> int:
    """A whole number from 0 to ``MOST``."""
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(MOST)) or int(text) > MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 up, {MOST:,} at most")
    return int(text)


# One word and one default for a knob, here, in the Makefile, in the notebooks and in Python: tests/test_knobs.py.
FIGURES: Options = {
    "--profile": {
        "default": "quick",
        "help": "how much is computed: smoke, quick, hour or paper (default: %(default)s)",
    },
    "--figure": {
        "default": "",
        "help": "one output, such as table-3, or all of base-values, hard-samples or rivals (default: all)",
    },
    "--data": {
        "default": "auto",
        "help": "a data set's name, stand-in, or a file.npz (default: auto, generated in smoke and quick, else the"
        " papers')",
    },
    "--seeds": {"type": number, "default": 0, "help": "seeds for each method (default: 0, as many as the profile has)"},
    "--examples": {
        "type": number,
        "default": 0,
        "help": "at most so many training examples (default: 0, as many as the profile has)",
    },
    "--learning-rate": {
        "type": float,
        "default": 0.0,
        "help": "learning rate of every run (default: 0, the profile's)",
    },
    "--batch-size": {"type": number, "default": 0, "help": "examples in a mini-batch (default: 0, the profile's)"},
    "--epochs": {
        "type": float,
        "default": 0.0,
        "help": "epochs of every run, pre-training included (default: 0, the profile's)",
    },
    "--methods": {
        "default": "",
        "help": "some of a figure's, by the names of their curves, such as PLB,PEB; the baseline stays (default: all)",
    },
    "--precision": {
        "default": "auto",
        "help": "auto, float32, tf32 (on a GPU) or bf16 (default: %(default)s)",
    },
    "--networks": {
        "default": "",
        "help": "of hard-samples: all, or names such as resnet18,resnet50; of rivals: one name, one's own too"
        " (default: the profile's)",
    },
    "--protocol": {
        "default": "sound",
        "help": "of hard-samples: sound, or published as the paper did (default: %(default)s)",
    },
}
PLUGIN: Options = {
    "--plugin": {
        "action": "append",
        "default": [],
        "metavar": "FILE.py",
        "help": "a file.py of your own that registers a method, network, data set, profile or figure (default:"
        " none); may be given more than once",
    },
}
WHERE: Options = {
    "--device": {"default": "auto", "help": "auto, cpu or cuda (default: %(default)s)"},
    "--workers": {
        "type": number,
        "default": 0,
        "help": "worker processes (default: 0, one for each GPU, or each CPU core)",
    },
    "--scheduler": {
        "default": "",
        "help": "address of a Dask scheduler to send the runs to, tcp://host:8786 (default: this machine)",
    },
    "--time-limit": {"help": "stop cleanly after 90s, 9m or 1h; the same command goes on from there (default: none)"},
}
STALE: Options = {
    "--stale": {
        "default": "keep",
        "help": "stored runs of other code than today's: keep and say so, rerun (the old ones stay, aside), or refuse"
        " (default: %(default)s)",
    },
}
VERIFY: Options = {
    "--rerun": {
        "type": number,
        "default": 0,
        "help": "train so many stored runs again, chosen at random, and compare (default: %(default)s)",
    },
    "--keep-checksums": {
        "action": "store_true",
        "help": "keep beside them the checksums of the runs stored by earlier versions, whose records carry none",
    },
}
DATA: Options = {
    "--data": {
        "default": "auto",
        "help": "a name such as emnist-letters, or a file.npz (default: auto, the letters that quick generates)",
    }
}
GPU: Options = {
    "--minutes": {"type": float, "default": 10.0, "help": "what the whole call may take (default: %(default)g)"},
    "--out": {
        "type": Path,
        "default": Path("gpu-results"),
        "metavar": "FOLDER",
        "help": "where results go, and go on from an earlier call's (default: %(default)s)",
    },
    "--device": {"default": "auto", "help": "auto, which is cuda here, or cpu to rehearse (default: %(default)s)"},
    "--tiny": {"action": "store_true", "help": "a few seconds of every stage"},
    "--data": {
        "default": "auto",
        "help": "a name or a file.npz (default: auto, sd19-letters, or pseudo-random images with --tiny)",
    },
    "--stages": {
        "default": "",
        "help": "names joined by commas, of environment, correctness, runs, benchmarks, tests, float32, networks"
        " (default: all)",
    },
}
BROUGHT: Options = {"folder": {"type": Path, "metavar": "FOLDER", "help": "what `gpu` was given as --out"}}
SHIPPED: Options = {
    "--shipped": {
        "action": "store_true",
        "help": "all whose runs come with the package, each at its own profile, data and precision",
    },
}
LAB: Options = {
    "jupyter": {"nargs": "*", "metavar": "OPTION", "help": "options of JupyterLab, after --, such as -- --no-browser"},
}
TABLES: Options = {
    "--replicates": {
        "type": Path,
        "default": Path("replicates/cpu"),
        "metavar": "FOLDER",
        "help": "runs that were computed a second time, to compare with those stored (default: %(default)s)",
    },
}
REPORT: Options = {
    "--pages": {
        "action": "store_true",
        "help": "write docs/verdict.md and docs/reproducibility.md, too, and what README and docs/index.md quote",
    },
}
EXPORT: Options = {
    "--format": {
        "default": "",
        "metavar": "csv|parquet",
        "help": "of the file (default: what --out ends in, else csv)",
    },
    "--out": {"default": "", "metavar": "FILE", "help": "where it is written (default: curves.csv or curves.parquet)"},
}


def defaults(options: Options) -> dict[str, Any]:
    """What each option is where it is not given, by its name among those parsed."""
    return {flag.strip("-").replace("-", "_"): settings.get("default") for flag, settings in options.items()}


def _unsaid(options: Options) -> Options:
    """The same options, None where they are not given."""
    return {
        flag: settings | {"default": None, "help": settings["help"].replace("%(default)s", str(settings["default"]))}
        for flag, settings in options.items()
    }


def _dry_run(instead: str) -> Options:
    return {"--dry-run": {"action": "store_true", "help": f"only {instead}"}}


def _stored(*names: str) -> Options:
    what = "the key of a stored run, how its key begins, or the name of its file"
    return {name: {"metavar": name.upper(), "help": what} for name in names}


COMPARED: Options = {
    "--data": {
        "help": "a file.npz with x_train, y_train, x_test and y_test, a data set's name, or my_module:NAME, a function"
        " that returns (train_set, test_set)",
    },
    "--model": {"default": "", "help": "my_module:NAME, a function that makes a model, or a network's name"},
    "--loss": {
        "default": "",
        "help": "cross-entropy, binary-cross-entropy, squared-error, absolute-error, or my_module:NAME, which gives a"
        " value for each example (default: cross-entropy)",
    },
    "--methods": {
        "default": "",
        "help": "names joined by commas, the baseline first, with options as in PLB(power=0.6) (default:"
        " shuffled,uniform,PLB,PEB,HMB, PEB for classes alone)",
    },
    "--seeds": {"type": number, "help": "trainings of each method (default: 10)"},
    "--epochs": {"type": float, "help": "of each training (default: 10)"},
    "--batch-size": {"type": number, "help": "examples in a mini-batch (default: 32)"},
    "--optimizer": {
        "default": "adam",
        "help": "adam, adamw, sgd, or my_module:NAME, called with a model's parameters (default: %(default)s)",
    },
    "--learning-rate": {"type": float, "default": 0.0, "help": "of adam, adamw or sgd (default: 0, which is 0.001)"},
    "--score": {
        "default": "",
        "help": "what methods that go by the loss are told instead, named as --loss (default: the loss)",
    },
    "--metrics": {
        "default": "",
        "help": "accuracy or my_module:NAME, joined by commas, of the test set (default: accuracy, for classes)",
    },
    "--lower-is-better": {"default": "", "help": "metrics that are, by name, beside the loss (default: none)"},
    "--budget": {"default": "updates", "help": "updates or wall-clock, equal for all methods (default: %(default)s)"},
    "--evaluations": {"type": number, "help": "of each training (default: 10)"},
    "--device": WHERE["--device"],
    "--workers": WHERE["--workers"],
    "--name": {"default": "", "help": "of the comparison, in figures and in the store (default: the model's)"},
    "--out": {
        "default": "",
        "metavar": "STEM",
        "help": "where .png, .pdf, .csv and .md are written (default: figures/comparisons/ and the name)",
    },
}
LEADERBOARD: Options = {
    "--methods": {
        "default": "",
        "help": "names joined by commas, with options as in PLB(power=0.5), to be trained where they are not stored"
        " (default: none, the table alone)",
    },
    "--workers": WHERE["--workers"],
}


_CHOSEN = FIGURES | PLUGIN
_COMPUTED = (
    _CHOSEN | WHERE | STALE | _dry_run("say what is missing, how long it takes, and how much is stored and downloaded")
)
COMMANDS: dict[str, tuple[Options, str]] = {
    "list": (_CHOSEN, "list every figure and table: what it needs, what of it is stored, and its minutes"),
    "status": (_CHOSEN, "count the runs of each figure and table, and the minutes that those done took"),
    "run": (_COMPUTED, "compute the runs that are not stored yet"),
    "figures": (_CHOSEN | SHIPPED, "draw figures and tables from what is stored, and say what is missing"),
    "reproduce": (_COMPUTED, "compute what is missing, then draw every figure and table"),
    "lab": (LAB, "open copies of the notebooks in JupyterLab"),
    "tables": (TABLES, "write the tables over all stored runs"),
    "report": (REPORT, "judge every claim of the papers from the stored runs: report/index.html, with the evidence"),
    "show": (_stored("run"), "show a stored run: its configuration, how it was made, and what it gave"),
    "compare-runs": (
        _stored("a", "b"),
        "say in what two stored runs differ: configuration, how they were made, and what they gave",
    ),
    "compare": (
        COMPARED | PLUGIN,
        "train a model of your own by several methods and seeds, and say whether choosing examples helps",
    ),
    "leaderboard": (
        LEADERBOARD | PLUGIN,
        "draw the table of all methods on small problems, and train a method of your own for a row beside the others",
    ),
    "export": (
        _unsaid(FIGURES) | PLUGIN | EXPORT,
        "write stored curves into one file, a row for each evaluation of a run: those of all stored runs, or of the"
        " figures and tables that the options choose",
    ),
    "verify": (
        VERIFY | _unsaid(FIGURES) | PLUGIN | WHERE,
        "check every stored run, say which are of other code, and train some again if asked to",
    ),
    "clean": (
        _dry_run("say what would be removed"),
        "remove what interrupted runs left: checkpoints and half-written files; finished runs stay",
    ),
    "data": (DATA | PLUGIN, "load or download a data set and describe it"),
    "gpu": (GPU, "do what a GPU is needed for, in stages, as far as the minutes go"),
    "gpu-merge": (BROUGHT, "check what `gpu` brought home, and store its runs"),
}
"""By name: its options, and what it does."""
