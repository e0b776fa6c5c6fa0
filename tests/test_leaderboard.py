"""The leaderboard says what the committed trainings say, and a method of one's own joins it by one command."""

import dataclasses
import itertools
import shutil
import sys

import numpy as np
import pytest

from hardsample import paths, plugins
from hardsample.cli import main
from hardsample.comparison import (
    launch,
    leaderboard,
    leaderboard_figure,
    leaderboard_rows,
    leaderboard_words,
    pool,
    trials,
)
from hardsample.comparison.digits import digits
from hardsample.comparison.leaderboard import BASELINE, SEEDS, TASKS
from hardsample.comparison.problem import contestants_of, problem_of
from hardsample.comparison.training import Trained
from hardsample.comparison.trials import Trial
from hardsample.methods.registry import METHODS
from hardsample.report import markup

ROOT = paths.project_root()
STEM = ROOT / "figures" / "leaderboard" / "leaderboard"
FEW = (1, 2)  # seeds


@pytest.fixture(scope="module")
def board():
    """Of a reader's own rows too, which the same command wrote into the same table."""
    return leaderboard_rows.read(ROOT / "runs")


@pytest.fixture
def small(monkeypatch):
    """The smallest setting alone, and two seeds of it."""
    last = dict([[*TASKS.items()][-1]])
    for module in (leaderboard, leaderboard_rows, leaderboard_words):
        monkeypatch.setattr(module, "TASKS", last)
    for module in (leaderboard, leaderboard_rows, leaderboard_words, leaderboard_figure):
        monkeypatch.setattr(module, "SEEDS", FEW)


@pytest.fixture
def own(tmp_path, monkeypatch, small):
    """A folder with a method of one's own, from which the command is typed."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "examples" / "my_method.py", tmp_path / "my_own_method.py")
    yield tmp_path
    plugins._loaded.pop("my_own_method", None)
    sys.modules.pop("my_own_method", None)
    METHODS.pop("HardHalf", None)


def test_the_committed_table_and_page_are_those_of_the_committed_trainings(board):
    advice = "`make leaderboard` writes them anew"
    assert STEM.with_suffix(".md").read_text() == leaderboard_words.markdown(board), advice
    assert STEM.with_suffix(".csv").read_text() == markup.csv(board.table), advice
    text = (ROOT / leaderboard_words.PAGE).read_text()
    assert text == leaderboard_words.page(text, board), advice
    assert [f"<!-- leaderboard: {name} -->" in text for name in ("finding", "table")] == [True, True]
    assert {path.suffix for path in STEM.parent.iterdir()} >= {".png", ".pdf"}


def test_every_method_of_the_package_has_a_whole_row(board):
    assert {entrant.name for entrant in board.entrants} >= {*leaderboard.methods()}
    assert board.entrants[0].name == BASELINE and set(leaderboard.methods()) >= {"PLB", "uniform", "SB", "LPS"}
    assert len(board.ranked) == len(board.entrants) == len(board.order) + 1


def test_the_rows_are_of_equal_budgets_and_the_same_seeds(board):
    for comparison, task in zip([*board.comparisons.values()][1:], TASKS.values(), strict=True):
        (_, labels), _ = digits(task.wrong, task.imbalance)
        assert comparison.seeds == list(SEEDS) and comparison.setting.train_examples == len(labels)
        assert set(comparison.final["update"]) == {round(leaderboard.EPOCHS * len(labels) / leaderboard.BATCH_SIZE)}


def test_the_page_says_what_the_digits_are(board):
    (x, clean), (_, tests) = digits()
    wrong = [100 * (digits(task.wrong)[0][1] != clean).mean() for task in TASKS.values() if task.wrong]
    sizes = np.bincount(tests)
    text = " ".join((ROOT / leaderboard_words.PAGE).read_text().split())
    assert f"{len(x):,} to train, {len(tests)} to test" in text and f"{sizes.min()} to {sizes.max()} digits" in text
    assert "({:.1f} % and {:.1f} % of them are)".format(*wrong) in text
    plain, balanced = (board.table[board.table.metric == name] for name in ("accuracy", "balanced accuracy"))
    assert np.abs(plain.difference.to_numpy() - balanced.difference.to_numpy()).max() < 0.015


def test_rows_stand_in_the_order_of_their_means_over_all_settings(board):
    rows = board.table[board.table.metric == "accuracy"]
    alone = rows[rows.setting != leaderboard_rows.ALL].groupby("method").difference.mean()
    overall = rows[rows.setting == leaderboard_rows.ALL].set_index("method").difference
    assert np.allclose(overall, alone[overall.index]) and list(overall) == sorted(overall, reverse=True)
    assert list(overall.index) == board.order


def test_a_committed_training_is_what_the_code_makes(board):
    name, task = [*TASKS.items()][-1]
    given = dict.fromkeys(("loss", "optimizer", "score", "collate")) | {"lower_is_better": (), "evaluations": 1}
    sizes = {"epochs": leaderboard.EPOCHS, "batch_size": leaderboard.BATCH_SIZE, "metrics": leaderboard.METRICS}
    problem = problem_of(leaderboard.network, *digits(task.wrong, task.imbalance), **given, **sizes)
    made = pool.do_here(problem, contestants_of([BASELINE, "PLB"], problem), pool.Job(0, 1), "cpu")
    _, stored, _ = board.entrants[0].trainings[name, 1]
    assert made.columns == stored.columns and len(made.rows) == len(stored.rows) == 2
    for row, other in zip(made.rows, stored.rows, strict=True):
        for column, value in zip(made.columns, row, strict=True):
            if column != "seconds":
                assert value == pytest.approx(other[made.columns.index(column)], rel=0.02), column


def test_a_method_of_ones_own_joins_by_one_command(own, capsys):
    rows = len(leaderboard_rows.read().entrants) + 2
    assert main(["leaderboard", "--plugin", "my_own_method.py", "--methods", "HardHalf,PLB(power=0.5)"]) == 0
    said = capsys.readouterr().out
    assert "HardHalf is " in said and f" of {rows}: " in said and "PLB(power=0.5) is " in said
    written = (own / "figures" / "leaderboard" / "leaderboard.md").read_text()
    assert "`HardHalf` (my_own_method.py)" in written
    assert "`hardsample leaderboard --plugin my_own_method.py --methods HardHalf`" in written
    assert "`hardsample leaderboard --methods 'PLB(power=0.5)'`" in written
    assert {path.suffix for path in (own / "figures" / "leaderboard").iterdir()} == {".md", ".csv", ".png", ".pdf"}
    stored = [trials.read(path)[0].method for path in trials.files(own / "runs")]
    assert sorted(stored) == sorted([BASELINE, "HardHalf", "PLB(power=0.5)"] * (len(FEW) + 1))  # one to count passes
    assert main(["leaderboard", "--plugin", "my_own_method.py", "--methods", "HardHalf"]) == 0
    assert "4 stored, 0 to do" in capsys.readouterr().out


def test_an_edited_method_is_another_row(own, capsys):
    assert main(["leaderboard", "--methods", "PLB(power=0.9)"]) == 0
    for path in [*trials.files(own / "runs")]:
        trial, trained, values = trials.read(path)
        if trial.method != BASELINE:
            edited = dataclasses.replace(trial, identity={**trial.identity, "method_source": "edited"})
            later = {**values["provenance"], "finished": "2999-01-01T00:00:00+00:00", "device": "another"}
            trials.write(own / "runs", edited, trained, values["about"], later)
    found = leaderboard_rows.read()
    assert {"PLB(power=0.9)", "PLB(power=0.9) (version 2)"} <= {*found.order}
    lines = leaderboard_words.origin_table(found).split("\n")
    assert [line for line in lines if "another" in line] == [line for line in lines if "version 2" in line]


def test_a_row_without_all_its_trainings_is_left_out_and_named(own, capsys):
    assert main(["leaderboard", "--methods", "PLB(power=0.9)"]) == 0
    next(path for path in trials.files(own / "runs") if "PLB" in path.name).unlink()
    found = leaderboard_rows.read()
    assert "PLB(power=0.9)" not in found.order
    assert "`PLB(power=0.9)` (1 of 2 trainings)" in leaderboard_words.unfinished(found)


def test_a_method_whose_source_cannot_be_read_has_no_row(own, capsys):
    more = 'hardsample.register(MethodSpec("Unread", lambda *given: HardHalf(*given)))\n'
    (own / "my_own_method.py").write_text((own / "my_own_method.py").read_text() + more)
    try:
        assert main(["leaderboard", "--plugin", "my_own_method.py", "--methods", "Unread"]) == 2
    finally:
        METHODS.pop("Unread", None)
    assert "Unread has no row, since its trainings could not be stored" in capsys.readouterr().err


def test_nothing_is_trained_without_methods(small, monkeypatch, capsys):
    def began(*_, **__):
        raise AssertionError("training began")

    monkeypatch.setattr(launch, "compare", began)
    assert main(["leaderboard"]) == 0
    assert "PLB" in capsys.readouterr().out
    with pytest.raises(AssertionError, match="training began"):
        main(["leaderboard", "--methods", "PLB"])


@pytest.mark.parametrize(
    "methods, said",
    [
        ("PLBB", "unknown method 'PLBB' (did you mean PLB?)"),
        ("PLB(pwr=1)", "unknown option of PLB 'pwr' (did you mean power?)"),
        ("PLB,", "a name is missing"),
        ("MB", "methods are shuffled: give two or more"),
    ],
)
def test_a_misspelt_method_is_one_sentence_and_trains_nothing(small, methods, said, capsys):
    assert main(["leaderboard", "--methods", methods]) == 2
    refused = capsys.readouterr().err
    assert said in refused and len(refused.splitlines()) == 1
    assert not [*trials.files(paths.runs_dir())]


def test_without_a_whole_row_it_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path)
    assert main(["leaderboard"]) == 2
    assert "train one with --methods" in capsys.readouterr().err


def made_up(ends):
    """A leaderboard of made-up accuracies: of each method its mean in every setting, with a little noise by seed."""
    entrants = []
    for method, mean in ends.items():
        random, found = np.random.default_rng(len(entrants)), {}
        for name, seed in itertools.product(TASKS, SEEDS):
            end = mean + 0.001 * random.standard_normal()
            trained = Trained(
                ("progress", "update", "epoch", "seconds", "loss", "accuracy", "balanced accuracy"), (), 1.0
            )
            trained = dataclasses.replace(trained, rows=((0.0,) * 7, (1.0, 10, 1.0, 1.0, 1 - end, end, end)))
            setting = {"name": name, "budget": "updates", "train_examples": 9, "test_examples": 9, "batch_size": 1}
            about = {"setting": setting | {"updates": 10, "epochs": 1.0}, "lower": ["loss"]}
            found[name, seed] = Trial(name, method, seed, {"method": method}), trained, {"about": about}
        entrants.append(leaderboard_rows.Entrant(method, method, method, found))
    return leaderboard_rows.Leaderboard(tuple(entrants), ())


def test_a_winner_is_said_to_win_and_a_near_one_not():
    usual = {BASELINE: 0.9, "below": 0.8}
    won = leaderboard_words.finding(made_up(usual | {"above": 0.95}))
    assert "`above` is highest over all settings, +5.0" in won and "**better**" in won
    assert "significantly above every other row" in won and "Better somewhere and worse nowhere: `above`." in won
    assert "**clean labels**: 1 of 2 methods significantly better, 1 worse; the highest is `above`" in won
    near = leaderboard_words.finding(made_up(usual | {"above": 0.95, "beside": 0.95}))
    assert "is inconclusive (by Holm" in near and "every other row" not in near


def test_where_nobody_wins_that_is_said():
    told = leaderboard_words.finding(made_up({BASELINE: 0.9, "below": 0.8, "same": 0.9}))
    assert told.startswith("- No method is significantly better than `shuffled` over all settings.")
    assert "Better somewhere and worse nowhere: no method." in told
    board = made_up({BASELINE: 0.9, "below": 0.8, "above": 0.95})
    assert board.ranked == ["above", BASELINE, "below"] and board.counted("below") == (0, len(TASKS))
