"""What a person types and sees: one clear sentence for bad input, nothing slow before it, nothing half-written."""

import dataclasses
import errno
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import plausible
import pytest
from pool_here import PoolHere

from hardsample import cli, paths
from hardsample.commands import chosen, drawing, knobs, reproduce
from hardsample.comparison import launch as comparing
from hardsample.data import catalogue
from hardsample.experiments import registry
from hardsample.runs import launch, prepare, store, timing
from hardsample.runs.launch import LaunchReport
from hardsample.training import trainer, updates
from hardsample.training.results import COLUMNS, TrainingResult

WHAT = {
    "--profile",
    "--figure",
    "--data",
    "--seeds",
    "--examples",
    "--learning-rate",
    "--batch-size",
    "--epochs",
    "--methods",
    "--precision",
    "--networks",
    "--protocol",
    "--plugin",
}
WHERE = {"--device", "--workers", "--scheduler", "--time-limit"}
SMOKE = ("--profile", "smoke", "--figure", "base-values/figure-1")


def hardsample(*arguments: str, limit: int | None = None) -> subprocess.CompletedProcess:
    """The command in a process of its own; ``limit`` bytes is the largest file it may write."""
    code = "import sys; from hardsample.cli import main; sys.exit(main())"
    if limit is not None:
        code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); {code}"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def launched(monkeypatch):
    """What would be launched, with no training behind it: a list of (runs, keywords)."""
    calls = []

    def fake(wanted, **keywords):
        wanted = tuple(dict.fromkeys(wanted))
        calls.append((wanted, keywords))
        return LaunchReport(0, len(wanted), (), 0, 0.0)

    monkeypatch.setattr(launch, "launch", fake)
    return calls


@pytest.fixture
def no_training(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("training began")

    for module, name in ((trainer, "train"), (trainer, "pretrain"), (updates, "estimate")):
        monkeypatch.setattr(module, name, refuse)


def store_all(experiment: registry.Experiment) -> None:
    """Finished runs of an experiment, made up."""
    made = {"data": {"name": "glyphs", "fingerprint": "0" * 16, "stand_in": True, "classes": 26}}
    made |= {"seconds": {"wall": 24.0}, "cohort": 2}
    for run in experiment.runs:
        store.Store().write(run, TrainingResult(COLUMNS, plausible.rows(run), {}), made)


COMPARED = {
    *("--data", "--model", "--loss", "--methods", "--seeds", "--epochs", "--batch-size", "--optimizer"),
    *("--learning-rate", "--score", "--metrics", "--lower-is-better", "--budget", "--evaluations"),
    *("--device", "--workers", "--name", "--out", "--plugin"),
}
HELP = {
    "list": WHAT,
    "status": WHAT,
    "run": WHAT | WHERE | {"--dry-run", "--stale"},
    "figures": WHAT | {"--shipped"},
    "reproduce": WHAT | WHERE | {"--dry-run", "--stale"},
    "lab": set(),
    "tables": {"--replicates"},
    "report": {"--pages"},
    "show": set(),
    "compare-runs": set(),
    "compare": COMPARED,
    "leaderboard": {"--methods", "--workers", "--plugin"},
    "export": WHAT | {"--format", "--out"},
    "verify": WHAT | WHERE | {"--rerun", "--keep-checksums"},
    "clean": {"--dry-run"},
    "data": {"--data", "--plugin"},
    "gpu": {"--minutes", "--out", "--device", "--tiny", "--data", "--stages"},
    "gpu-merge": set(),
}


def help_of(*command: str, capsys) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_tells_every_command(capsys):
    assert re.findall(r"^    ([\w-]+)", help_of(capsys=capsys), re.MULTILINE) == list(HELP)


@pytest.mark.parametrize("command", HELP)
def test_help_tells_every_option(command, capsys):
    told = help_of(command, capsys=capsys)
    options = re.findall(r"^  (?:-\w, )?(--[\w-]+)[^\n]*\n?(?=(?:[ ]{20,}\S)?)", told, re.MULTILINE)
    assert set(options) - {"--help"} == HELP[command]


@pytest.mark.parametrize("command", HELP)
def test_every_command_has_a_module_that_does_it(command):
    assert callable(importlib.import_module(f"hardsample.commands.{command.replace('-', '_')}").do)


def test_help_waits_for_no_import():
    """What makes it answer at once; benchmarks/ measures how soon."""
    code = "import sys, hardsample.cli\ntry: hardsample.cli.main(['run', '--help'])\nfinally: print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.splitlines()
    assert shown[0].startswith("usage: hardsample run")
    loaded = {name.split(".")[0] for name in shown[-1].split()}
    assert "hardsample" in loaded and not loaded & {"torch", "numpy", "distributed", "asyncio", "matplotlib", "pandas"}


def test_version(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert re.fullmatch(r"hardsample \d+\.\d+\.\d+\n", capsys.readouterr().out)


BAD = [
    (["--figure", "tabel-3"], ["did you mean table-3?"]),
    (["--profile", "quik"], ["did you mean quick?", "smoke, quick, hour, paper"]),
    (["--data", "emnist-leters"], ["did you mean emnist-letters?"]),
    (["--networks", "ResNet-18"], ["did you mean resnet18?"]),
    (["--protocol", "publishd"], ["did you mean published?"]),
    (["--precision", "fp32"], ["did you mean tf32?"]),
    (["--figrue", "table-3"], ["'--figrue'", "did you mean --figure?"]),
    (["--profile", "huge"], ["huge", "smoke, quick, hour, paper"]),
    (["--figure", "figure-9"], ["figure-9", "figure-1"]),
    (["--data", "nothing"], ["nothing", "glyphs", "emnist-letters"]),
    (["--data", "nothing.npz"], ["nothing.npz"]),
    (["--device", "tpu"], ["tpu", "auto, cpu, cuda"]),
    (["--seeds", "-1"], ["'-1'", "from 0 up"]),
    (["--examples", "-1"], ["'-1'", "from 0 up"]),
    (["--precision", "float8"], ["float8", "bf16"]),
    (["--batch-size", "-1"], ["'-1'", "from 0 up"]),
    (["--learning-rate", "-1"], ["learning_rate is -1.0", "above 0"]),
    (["--figure", "draws", "--methods", "MBB"], ["MBB", "MB, SMB, LB"]),
    (["--networks", "vgg"], ["vgg", "all, resnet18", "mobilenet_v3_small"]),
    (["--protocol", "mine"], ["mine", "sound, published"]),
    (["--figure", "figure-1"], ["base-values/figure-1 and hard-samples/figure-1", "in full"]),
    (["--seeds", "many"], ["'many'", "from 0 up"]),
    (["--workers", "-1"], ["-1"]),
    (["--workers", "many"], ["'many'"]),
    (["--time-limit", "soon"], ["'soon'", "9m"]),
    (["--colour", "red"], ["--colour", "--help"]),
]


@pytest.mark.parametrize("command", ["run", "reproduce"])
@pytest.mark.parametrize(("arguments", "told"), BAD, ids=lambda value: " ".join(value))
def test_bad_input_is_one_sentence_before_anything_starts(command, arguments, told, capsys, no_training, tmp_path):
    assert cli.main([command, "--profile", "smoke", *arguments]) == 2
    output, error = capsys.readouterr()
    assert output == ""
    assert error.startswith("hardsample: ") and error.endswith(".\n") and error.count("\n") == 1
    assert all(word in error for word in told)
    assert files(tmp_path) == []


LONG = "x" * 300
NUMBERS = ["-1", "1.5", "1e12", "1000000000000", "many", "", "nan", "\N{ARABIC-INDIC DIGIT THREE}"]
RATES = ["-1", "nan", "inf", "1e400", "many", ""]
NAMES = [LONG, "nosuch", ",", "a,,b", "a,a", " ", "a\nb", "\N{GREEK SMALL LETTER DELTA}", f"x/{LONG}"]
FREE = {  # what an option takes of NAMES all the same: it is only looked for, or made
    **dict.fromkeys(("list --data", "status --data", "figures --data", "export --data", "tables --replicates"), NAMES),
    **dict.fromkeys(("compare --out",), {*NAMES} - {LONG, f"x/{LONG}"}),
    "compare --name": {"nosuch", "a,a"},
    "compare --lower-is-better": {},
}
BEFORE = {
    **dict.fromkeys(("list", "status", "run", "figures", "reproduce"), ("--profile=smoke", "--figure=table-3")),
    "export": ("--profile=smoke", "--figure=base-values/figure-1"),
    "compare": ("--data=tiny.npz", "--model=torch.nn:Flatten", "--seeds=1"),
    "compare-runs": ("nosuch",),
}


def typed_badly():
    for command, (options, _) in knobs.COMMANDS.items():
        for flag, settings in options.items():
            if settings.get("action") == "store_true" or command in ("lab", "gpu"):
                continue
            kind = settings.get("type")
            values = NUMBERS if kind is knobs.number else RATES if kind is float else NAMES
            for value in values if command in ("run", "compare", "data") else values[:2]:
                if value not in FREE.get(f"{command} {flag}", ()):
                    yield command, flag, value


def test_every_option_of_every_command_refuses_bad_values_in_one_sentence(capsys, tmp_path, monkeypatch):
    def began(*_, **__):
        raise AssertionError("training began")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARDSAMPLE_DATA", str(tmp_path))
    monkeypatch.setattr(prepare, "estimated_jobs", began)
    monkeypatch.setattr(comparing._Workplace, "do", began)
    monkeypatch.setattr(drawing.Drawing, "draw", began)
    monkeypatch.setattr(drawing.Drawing, "warm", lambda _: None)
    images, labels = np.arange(6 * 784).reshape(6, 28, 28).astype(np.uint8), np.array([0, 1, 2, 0, 1, 2])
    np.savez(tmp_path / "tiny.npz", x_train=images, y_train=labels, x_test=images[:3], y_test=labels[:3])
    wrong = {}
    for command, flag, value in typed_badly():
        given = f"{flag}={value}" if flag.startswith("-") else value
        try:
            code = cli.main([command, *BEFORE.get(command, ()), given])
        except Exception as error:
            code = repr(error)
        said = capsys.readouterr().err
        if code != 2 or not said.startswith("hardsample: ") or said.count("\n") != 1:
            wrong[f"{command} {given[:40]}"] = code, said[:300]
    assert wrong == {}


@pytest.mark.parametrize("arguments", [[], ["paint"], ["status", "--device", "cpu"], ["clean", "--figure", "figure-1"]])
def test_a_wrong_command_is_one_sentence(arguments, capsys):
    assert cli.main(arguments) == 2
    output, error = capsys.readouterr()
    assert output == "" and error.startswith("hardsample: ") and error.count("\n") == 1 and "--help" in error


@pytest.mark.parametrize("variable", ["HARDSAMPLE_RUNS", "HARDSAMPLE_FIGURES"])
@pytest.mark.parametrize("kind", ["file", "proc"])
def test_a_folder_that_cannot_be_written_is_told_before_training(
    variable, kind, capsys, tmp_path, monkeypatch, no_training
):
    folder = tmp_path / "file" if kind == "file" else Path("/proc/hardsample")
    (tmp_path / "file").touch()
    monkeypatch.setenv(variable, str(folder))
    assert cli.main(["reproduce", *SMOKE]) == 2
    error = capsys.readouterr().err
    assert error.startswith("hardsample: cannot write") and str(folder) in error and error.count("\n") == 1
    assert files(tmp_path) == ["file"]


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    ended = hardsample("run", *SMOKE, "--seeds", "1", "--workers", "1", limit=100)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("hardsample: cannot write")
    assert "Traceback" not in ended.stderr
    assert files(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_error_anywhere_is_one_sentence(number, capsys, monkeypatch):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number), "/some/file")

    monkeypatch.setattr(launch, "launch", fail)
    assert cli.main(["run", *SMOKE]) == 2
    assert re.fullmatch(r"hardsample: cannot write /some/file: the .*\.\n", capsys.readouterr().err)


def test_another_os_error_is_not_hidden(monkeypatch):
    def fail(*_, **__):
        raise ConnectionResetError(errno.ECONNRESET, "reset")

    monkeypatch.setattr(launch, "launch", fail)
    with pytest.raises(ConnectionResetError):
        cli.main(["run", *SMOKE])


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["--help"], ["status", "--profile", "smoke", "--figure", "base-values"]])
def test_who_stops_reading_sees_no_traceback(arguments, unbuffered):
    command = (sys.executable, "-m", "hardsample", *arguments)
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writer)
    assert ended.stderr == "" and ended.returncode in (141, 0)  # argparse itself says nothing of it


SHELL = [
    ("status --figure table-3 >&-", 0, ""),
    ("status --figure table-3 <&- >&- 2>&-", 0, ""),
    ("status --figure table-9 2>&-", 2, ""),
    ("status --figure table-9 2>/dev/full", 2, ""),
    ("status --figure table-3 >/dev/full", 2, "hardsample: cannot write the output: the disk is full.\n"),
    ("list --profile smoke --figure hard-samples >/dev/null", 0, ""),
]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("typed", "code", "told"), SHELL, ids=[typed for typed, *_ in SHELL])
def test_closed_and_full_streams_and_a_terminal_of_few_characters_stop_nothing(typed, code, told, unbuffered):
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered, "PYTHONIOENCODING": "ascii"}
    command = ["bash", "-c", f"set -o pipefail; {sys.executable} -m hardsample {typed}"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (ended.returncode, ended.stderr, ended.stdout) == (code, told, "")


def test_a_character_that_a_terminal_lacks_is_written_out():
    command = [sys.executable, "-m", "hardsample", "list", "--profile", "smoke", "--figure", "hard-samples"]
    ended = subprocess.run(
        [*command, "--methods", "MBé"], capture_output=True, text=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )
    assert ended.returncode == 2 and "'MB\\xe9'" in ended.stderr and ended.stderr.count("\n") == 1


def test_a_home_folder_of_nobody_is_told(capsys, monkeypatch):
    monkeypatch.setenv("HARDSAMPLE_RUNS", "~nosuchuser/x")
    assert cli.main(["verify"]) == 2
    assert capsys.readouterr().err.startswith("hardsample: HARDSAMPLE_RUNS is ~nosuchuser/x, and no such home folder")


def test_an_interrupt_says_that_finished_runs_are_kept(capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(launch, "launch", interrupt)
    assert cli.main(["run", *SMOKE]) == 130
    error = capsys.readouterr().err
    assert "finished runs are kept" in error and error.count("\n") == 1


def test_the_knobs_reach_the_launch(launched):
    knobs = [
        "--device",
        "cpu",
        "--workers",
        "2",
        "--scheduler",
        "tcp://host:8786",
        "--time-limit",
        "9m",
        "--seeds",
        "2",
    ]
    assert cli.main(["run", *SMOKE, *knobs]) == 0
    [(wanted, keywords)] = launched
    assert wanted == registry.grid("base-values/figure-1", profile="smoke", seeds=2).runs
    assert keywords == {
        "sources": {"easy-letters": "easy-letters"},
        "device": "cpu",
        "workers": 2,
        "scheduler": "tcp://host:8786",
        "time_limit": "9m",
        "again": (),
    }


def test_the_size_of_the_runs_can_be_chosen(launched):
    assert cli.main(["run", *SMOKE, "--seeds", "1", "--examples", "100", "--precision", "bf16"]) == 0
    [(wanted, _)] = launched
    assert {(run.seed, run.train_examples, run.precision) for run in wanted} == {(1, 100, "bf16")}


def test_a_knob_of_some_figures_reaches_those_alone_and_one_of_none_is_refused(launched, capsys):
    assert cli.main(["run", "--profile", "smoke", "--networks", "resnet18"]) == 0
    [(wanted, _)] = launched
    of_paper_b = {run for run in wanted if run.optimizer == "sgd" and not run.evaluations_per_epoch < 1}
    assert {run.network for run in of_paper_b} == {"resnet18"}
    every = {run for name in registry.papers()["base-values"] for run in registry.grid(name, profile="smoke").runs}
    assert every < set(wanted)
    assert cli.main(["run", *SMOKE, "--networks", "resnet18"]) == 2
    error = capsys.readouterr().err
    assert error == (
        "hardsample: networks does not apply to base-values/figure-1: leave it out, or choose a figure or table of"
        " hard-samples or rivals.\n"
    )
    assert cli.main(["run", "--figure", "rivals", "--protocol", "published"]) == 2
    assert "protocol does not apply to rivals" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["figures", "reproduce"])
def test_a_package_without_notebooks_says_so_before_it_trains(command, capsys, monkeypatch, tmp_path, no_training):
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path)
    assert cli.main([command, *SMOKE]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"hardsample: there are no notebooks in {tmp_path / 'notebooks'}: go to a checkout")
    assert files(tmp_path) == []


def test_without_a_figure_the_runs_of_all_are_launched_once(launched):
    assert cli.main(["run", "--profile", "smoke"]) == 0
    [(wanted, _)] = launched
    every = {run for name in registry.names() for run in registry.grid(name, profile="smoke").runs}
    assert set(wanted) == every


@pytest.mark.parametrize("report", [LaunchReport(0, 0, (), 3, 1.0), LaunchReport(0, 2, (("run", "trace"),), 0, 1.0)])
def test_runs_that_are_not_done_are_not_a_success(report, monkeypatch, capsys):
    monkeypatch.setattr(launch, "launch", lambda *_, **__: report)
    monkeypatch.setattr(drawing.Drawing, "warm", lambda _: None)
    assert cli.main(["run", *SMOKE]) == 1
    assert cli.main(["reproduce", *SMOKE]) == 1
    assert capsys.readouterr().out.startswith("0 of 1 figures drawn; ")


def test_status_counts_in_aligned_columns(capsys):
    store_all(registry.grid("base-values/figure-1", profile="smoke"))
    assert cli.main(["status", "--profile", "smoke"]) == 0
    table, _, origins = capsys.readouterr().out.partition("\n\n")
    head, *lines = table.splitlines()
    assert re.split(" {2,}", head) == ["figure", "wanted", "done", "missing", "other code", "minutes"]
    assert len({len(line) for line in (head, *lines)}) == 1
    *lines, total = (re.split(r" {2,}", line) for line in lines)
    assert [line[0] for line in lines] == list(registry.names())
    for _, *counts in (*lines, total):
        if counts != ["-"] * 5:
            wanted, done, missing, other = map(int, counts[:4])
            assert wanted == done + missing > 0 and other == done
    assert lines[0][3] == "0" and lines[1][3] != "0"
    assert lines[0][5] == total[5] == f"{int(lines[0][2]) * 0.2:.1f}"
    every = {run for name in registry.names() for run in registry.grid(name, profile="smoke").runs}
    assert total[:3] == ["all, each run once", str(len(every)), lines[0][2]]
    assert ["hard-samples/figure-2", *"-----"] in lines
    done = lines[0][2]
    assert origins.splitlines() == [
        f"other code  {done} runs of {done}: commit unknown",
        f"made on     {done} runs of {done}: an unknown device, float32, torch unknown",
    ]


def test_verify_counts_and_names_what_is_wrong(capsys, tmp_path):
    experiment = registry.grid("base-values/figure-1", profile="smoke")
    store_all(experiment)
    assert cli.main(["verify"]) == 0
    assert capsys.readouterr().out.startswith(f"{len(experiment.runs)} finished runs")
    broken = store.Store().path(experiment.runs[0])
    broken.write_bytes(broken.read_bytes()[:-10])
    assert cli.main(["verify"]) == 1
    output, error = capsys.readouterr()
    assert str(broken) in error and "1 problem" in output


def test_data_describes_a_file(capsys, tmp_path):
    images, labels = np.arange(6 * 784).reshape(6, 28, 28).astype(np.uint8), np.array([0, 1, 2, 0, 1, 2])
    np.savez(tmp_path / "tiny.npz", x_train=images, y_train=labels, x_test=images[:3], y_test=labels[:3])
    assert cli.main(["data", "--data", str(tmp_path / "tiny.npz")]) == 0
    told = dict(re.split(r"\s{2,}", line) for line in capsys.readouterr().out.splitlines())
    assert told["name"] == "tiny" and told["train"] == "6 x 1 x 28 x 28" and told["test"] == "3 x 1 x 28 x 28"
    assert told["classes"].startswith("3") and re.fullmatch("[0-9a-f]{16}", told["fingerprint"])


@pytest.mark.slow
def test_reproduce_draws_and_the_second_time_trains_nothing(tmp_path, capsys, monkeypatch):
    assert cli.main(["reproduce", *SMOKE, "--seeds", "1"]) == 0
    output = capsys.readouterr().out
    figures = tmp_path / "figures" / "base-values"
    assert {"figure-1.pdf", "figure-1.png", "figure-1.csv"} <= set(files(figures))
    assert f"base-values/figure-1: {figures / 'figure-1.png'}" in output
    assert output.splitlines()[-1].startswith("1 of 1 figures drawn; ")
    monkeypatch.setattr(trainer, "train", None)
    assert cli.main(["run", *SMOKE, "--seeds", "1"]) == 0
    assert " 0 computed" in capsys.readouterr().out.splitlines()[-1]
    assert cli.main(["figures", *SMOKE, "--seeds", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 of 1 figures drawn, 1 of them unchanged; ")


@pytest.mark.slow
def test_figures_draws_what_is_stored_computes_nothing_and_names_what_is_missing(tmp_path, capsys):
    assert cli.main(["run", *SMOKE, "--seeds", "1", "--workers", "1"]) == 0
    for path in (tmp_path / "runs").rglob("*-PLB-*.json"):
        path.unlink()
    stored = files(tmp_path / "runs" / "base-values")
    capsys.readouterr()
    assert cli.main(["figures", *SMOKE, "--seeds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "base-values/figure-1: 1 of 3 runs missing, and said to be"
    assert lines[-1] == "1 of 1 figures drawn; nothing computed"
    assert files(tmp_path / "runs" / "base-values") == stored
    table = (tmp_path / "figures" / "base-values" / "figure-1-statistics.md").read_text()
    assert "| default hyper-parameters | PLB |" not in table and "Not run: 1 run (PLB)." in table


def test_figures_of_nothing_stored_are_not_drawn(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(drawing, "_draw", None)
    assert cli.main(["figures", "--profile", "smoke", "--figure", "base-values"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12 and lines[0] == "base-values/figure-1: nothing of it is stored, not drawn"
    assert lines[-1] == "0 of 11 figures drawn; nothing computed"
    assert cli.main(["figures", "--profile", "smoke", "--figure", "table-1"]) == 1
    assert files(tmp_path) == []


def test_the_data_command_says_what_a_name_stands_for(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HARDSAMPLE_DATA", str(tmp_path))
    images, labels = np.arange(52 * 784).reshape(52, 28, 28).astype(np.uint8), np.arange(52) % 26
    np.savez(tmp_path / "sd19-letters.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    about = catalogue.DATASETS["sd19-letters"]

    def told():
        assert cli.main(["data", "--data", "sd19-letters"]) == 0
        return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())

    first = told()
    assert first["name"] == "sd19-letters (NIST SD19 letters, in EMNIST's shape)"
    assert (first["what"], first["from"], first["made"]) == (about.what, about.origin, about.recipe)
    assert first["classes"].startswith("26: A B C")
    found, _, said = first["fingerprint"].partition("; ")
    assert said == f"the known one is {about.fingerprint}: give other content another name"
    monkeypatch.setitem(catalogue.DATASETS, "sd19-letters", dataclasses.replace(about, fingerprint=found))
    assert told()["fingerprint"] == f"{found}, the known one"


@pytest.mark.parametrize("command", ["figures", "reproduce"])
def test_a_notebook_that_fails_is_told_and_stops_no_other(command, capsys, launched, monkeypatch):
    drawn = []

    def notebook(name, parameters, output, plugins):
        assert plugins == [] and output.parts[-3:-1] == ("notebooks", name.split("/")[0])
        assert parameters["profile"] == "smoke" and "seeds" not in parameters
        assert parameters["compute"] is (command == "reproduce")
        if name == "base-values/figure-2":
            raise RuntimeError("notebook base-values/figure-2 failed in this cell")
        drawn.append(name)

    monkeypatch.setattr(store.Store, "missing", lambda *_: [])
    monkeypatch.setattr(chosen, "begun", lambda *_: True)
    monkeypatch.setattr(timing, "costs", lambda *_, **__: {})
    monkeypatch.setattr(reproduce, "_time", lambda *_: None)
    monkeypatch.setattr(drawing, "Pool", PoolHere)
    monkeypatch.setattr(drawing, "_draw", notebook)
    monkeypatch.setattr(drawing, "_warm", lambda: None)
    assert cli.main([command, "--profile", "smoke"]) == 1
    output, error = capsys.readouterr()
    assert error == "hardsample: notebook base-values/figure-2 failed in this cell\n"
    assert set(drawn) == {*registry.names()} - {"base-values/figure-2"}
    assert output.splitlines()[-1].startswith(f"{len(drawn)} of {len(registry.names())} figures drawn")
