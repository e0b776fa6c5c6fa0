"""The options of the commands: of each flag, what argparse needs to know of it."""

import argparse
from pathlib import Path


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)


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
    "--learning-rate": {"type": float, "help": "of every run (default: the profile's)"},
    "--batch-size": {"type": _count, "help": "examples in a mini-batch (default: the profile's)"},
    "--epochs": {"type": float, "help": "pre-training included (default: the profile's)"},
    "--methods": {
        "help": "some of a figure's, by the names of their curves, such as PLB,PEB; the baseline stays (default: all)"
    },
    "--precision": {"default": "auto", "help": "auto, float32, tf32 (on a GPU) or bf16 (default: %(default)s)"},
    "--networks": {"help": "hard-samples: all, or names such as resnet18,resnet50 (default: the profile's)"},
    "--protocol": {"help": "hard-samples: sound, or published as the paper did (default: sound)"},
}
LAB = {
    "jupyter": {"nargs": "*", "metavar": "OPTION", "help": "options of JupyterLab, after --, such as -- --no-browser"},
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
BROUGHT = {"folder": {"type": Path, "metavar": "FOLDER", "help": "what `gpu` was given as --out"}}
