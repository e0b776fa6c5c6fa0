"""Contests made up: what every method does to the accuracy is known."""

import numpy as np
import pandas as pd
from synthetic import made_up, with_keys

from hardsample.experiments import rivals as contest
from hardsample.report import contest_tables

# What each method adds to MB's accuracy, in points: without flipped labels, and per 10 % of them; its time per update.
EFFECTS = {
    "MB": (0.0, 0.0, 1.0),
    "SMB": (0.0, 0.0, 1.0),
    "LB": (-6.0, -2.0, 1.0),
    "PLB": (1.0, -0.8, 1.1),
    "PEB": (2.0, -0.3, 1.1),
    "δ = 0.5": (0.4, -0.1, 1.0),
    "SB": (0.8, -1.0, 1.3),
    "StaleSB": (0.7, -1.0, 1.2),
    "KAKURENBO": (-0.2, -0.1, 1.0),
    "InfoBatch": (-0.1, 0.0, 0.8),
    "Mercury": (0.1, -0.1, 1.4),
    "OHEM": (-1.0, -3.0, 0.7),
    "focal": (-0.3, 0.1, 1.0),
    "LPS": (0.9, -1.5, 1.5),
    "KAKURENBO's rate": (1.5, 0.0, 1.0),
    "MB 2x updates": (0.0, 0.0, 1.0),
}
CONTROLS = ("KAKURENBO's rate", "MB 2x updates")
METHODS, NOISES, BUDGETS = tuple(EFFECTS)[:-2], (0.0, 0.1, 0.2, 0.4), contest.BUDGETS
COSTS = {method: EFFECTS[method][2] for method in METHODS}
RATES = {"KAKURENBO": 1.22, "KAKURENBO's rate": 1.22}


def rival_curves(
    *,
    seeds=12,
    methods=METHODS,
    schedules=("constant", "cosine"),
    noises=NOISES,
    budgets=BUDGETS,
    imbalances=(),
    **said,
):
    """A contest, two evaluations a run; budgets that ask for equal runs of a method have the very same ones.

    With a class imbalance there is the first schedule alone, and the first budget.
    """
    settings = {
        f"{schedule}, {100 * noise:g} % flipped, equal {budget}": contest.setting(schedule, noise, 1.0, budget)
        for schedule in schedules
        for noise in noises
        for budget in budgets
    }
    settings |= {
        f"{schedules[0]}, imbalance {factor:g}, equal {budgets[0]}": contest.setting(
            schedules[0], 0.0, factor, budgets[0]
        )
        for factor in imbalances
    }
    rows = [
        {"panel": panel, "method": method, "seed": seed} | row
        for panel, setting in settings.items()
        for method in methods
        for seed in range(1, seeds + 1)
        for row in _run(method, seed, **setting)
    ]
    frame = pd.DataFrame(rows, columns=["panel", "method", "seed", *_run("MB", 1, "constant", 0.0, 1.0, BUDGETS[0])[0]])
    usual = {"name": "rivals/letters", "profile": "small", "costs": COSTS, "rates": RATES, "settings": settings}
    usual |= {"layout": dict.fromkeys(settings, methods)}
    return made_up(with_keys(frame), **usual | {"note": "profile small: letters CNN, 1,024 training examples"} | said)


def _run(method, seed, schedule, noise, imbalance, budget):
    gain, per_tenth, cost = EFFECTS[method]
    noise += 0.02 * (imbalance != 1)  # as if a few labels more were flipped
    doubled = method in ("OHEM", "MB 2x updates")
    times = {"backward passes": 2.0 if doubled else 1.0, "wall-clock": 1 / cost}.get(budget, 1.0)
    place = list(EFFECTS).index(method)
    luck = np.random.default_rng([place, seed, int(100 * noise), schedule == "cosine", int(100 * times)])
    shared = np.random.default_rng([seed, int(100 * noise), schedule == "cosine"])
    usual = (0.86 if schedule == "cosine" else 0.84) - 0.5 * noise + shared.normal(0, 0.006)
    gain = (gain + 10 * noise * per_tenth) * (0.5 if schedule == "cosine" else 1.0) + 4 * np.log(times)
    final = usual + gain / 100 + (method != "MB") * luck.normal(0, 0.004)
    halves = luck.normal(0, 0.003)
    rows = []
    for share in (0.5, 1.0):
        accuracy = 0.2 + (final - 0.2) * (1 - np.exp(-4 * share)) / (1 - np.exp(-4))
        step = round(200 * times * share)
        rows.append(
            {
                **{
                    "step": step,
                    "epoch": step / 33,
                    "pretrain_epochs": 0.0,
                    "acc/train": accuracy + 0.05,
                    "acc/val": accuracy,
                },
                **{"loss/train": 1 - accuracy, "loss/val": 1.1 - accuracy},
                **{"acc/choose": accuracy + halves, "acc/report": accuracy - halves},
                **{"forwards": 64.0 * step, "backwards": (16.0 if method == "OHEM" else 32.0) * step},
            }
        )
    return rows


FIRST = "constant, 0 % flipped, equal updates"
METRICS = ["acc/train", "acc/val", "loss/train", "loss/val", "acc/choose", "acc/report"]


def one_panel(seeds=12, methods=METHODS, **more):
    return rival_curves(
        seeds=seeds, methods=methods, schedules=("constant",), noises=(0.0,), budgets=BUDGETS[:1], **more
    )


def row(table, method, panel=FIRST):
    return table[(table.panel == panel) & (table.method == method)].iloc[0]


def diverge(made, method, seeds, panel=FIRST):
    """Those seeds of the method have no finite metric at their end."""
    frame = made.frame
    where = (frame.method == method) & frame.seed.isin(seeds) & (frame.panel == panel) & (frame.epoch > 4)
    assert where.any()
    frame.loc[where, METRICS] = np.nan


def verdict(made):
    """The one row of the winners of curves of a single panel."""
    (found,) = contest_tables.winners(contest_tables.table(made)).to_dict("records")
    return found


def set_ends(made, method, metric, values):
    """The method's last values of a metric, seed by seed."""
    frame = made.frame
    ends = frame[frame.method == method].groupby("seed").step.idxmax()
    frame.loc[ends, metric] = np.array(values, dtype=float)


def texts(figure):
    """All that a figure says, as one text."""
    parts = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    parts += [text.get_text() for axes in figure.axes for text in axes.texts]
    parts += [axes.get_title(place) for axes in figure.axes for place in ("left", "right")]
    parts += [text.get_text() for text in figure.texts]
    return " | ".join(parts).replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")
