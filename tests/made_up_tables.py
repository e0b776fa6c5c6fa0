"""Curves of paper B's experiments, made up: what every δ does is known."""

import functools

import numpy as np
import pandas as pd
from synthetic import changed, made_up

from hardsample.experiments import hard_samples
from hardsample.experiments.curves import Timings
from hardsample.report import paper_accuracies, paper_best, paper_networks, paper_tables, paper_timings
from hardsample.training import networks as models

CONDITIONS = ["status", "data", "profile", "protocol"]
INTERVAL = ["difference", "difference_low", "difference_high"]
COMPARED = [*INTERVAL, "p", "p_holm", "smallest", "seeds_won", "pairs", "usable"]
FRESH, IN_EPOCHS = ([f"{kind}_{name}" for name in COMPARED] for kind in ("fresh", "epochs"))
SCHEMAS = {
    "table-1": [
        *("delta", *CONDITIONS, "rounds"),
        *("seconds", "seconds_low", "seconds_high", "seconds_paper", "seconds_difference"),
        *("ratio", "ratio_low", "ratio_high", "ratio_paper", "ratio_difference"),
        *("tests_ratio", "tests_ratio_low", "tests_ratio_high"),
        *("described_ratio", "described_ratio_low", "described_ratio_high"),
        *("walked_ratio", "walked_ratio_low", "walked_ratio_high"),
        *("walked_tests_ratio", "walked_tests_ratio_low", "walked_tests_ratio_high"),
    ],
    "table-2": [
        *("network", "image_size", "classes"),
        *("parameters", "parameters_millions", "parameters_paper", "parameters_difference"),
        *("flops", "flops_giga", "flops_paper", "flops_difference"),
    ],
    "table-3": [
        *("network", "delta", *CONDITIONS, "n", "diverged"),
        *("train", "train_low", "train_high", "train_paper", "train_paper_interval", "train_difference"),
        *("test", "test_low", "test_high", "test_paper", "test_paper_interval", "test_difference"),
        *(*COMPARED, "difference_paper", *FRESH, "updates"),
        *("e", "e_low", "e_high", "converged", "e_spacing", "e_paper", "e_difference"),
        *("e_change", "e_change_paper", "fewer", *IN_EPOCHS, "doubt"),
    ],
    "table-6": [
        *("network", "data_set", *CONDITIONS, "n", "diverged"),
        *("delta", "baseline", "chosen", "change", *COMPARED, *FRESH),
        *("naive_delta", "naive_change", "change_paper", "change_difference", "change_recomputed", "doubt"),
    ],
}
NETWORKS = tuple(models.TITLES)
SLOTS = {
    "table-3": ("CIFAR-10",),
    "table-4": ("CIFAR-100",),
    "table-5": ("STL-10",),
    "table-6": tuple(hard_samples.SLOTS),
}
FINALS = {1.0: 0.60, 0.8: 0.62, 0.5: 0.64, 0.2: 0.58}  # test accuracy at the end
EPOCHS = np.arange(11.0)


def label(delta):
    return f"δ = {delta:g}"


def title(network, slot):
    return f"{models.TITLES[network]}, glyphs for {slot}"


def curves(name="table-3", *, networks=("resnet18", "mobilenet_v3_small"), seeds=3, protocol="sound", **said):
    """Eleven evaluations of every run; seeds differ by a point, the loss of smaller δ falls earlier."""
    rows = []
    for slot in SLOTS[name]:
        for network in networks:
            for delta, final in FINALS.items():
                for seed in range(1, seeds + 1):
                    rows += _run(network, slot, delta, final + 0.01 * seed, seed, protocol)
    frame = pd.DataFrame(rows)
    cells = {title(network, slot): (network, slot) for slot in SLOTS[name] for network in NETWORKS}
    variants = tuple(map(label, FINALS))
    layout = {heading: variants if network in networks else () for heading, (network, _) in cells.items()}
    usual = {"name": f"hard-samples/{name}", "data": "glyphs10-32", "own": ("cifar10",), "baseline": "δ = 1"}
    usual |= {"protocol": protocol, "note": f"profile quick: 640 training images; {protocol} protocol"}
    return made_up(frame, **usual | {"cells": cells, "layout": layout} | said)


def _run(network, slot, delta, final, seed, protocol):
    falls = 4 + round(4 * delta)  # the loss is within 5 % of its fall from there on
    for epoch in EPOCHS:
        share = min(epoch / 10, 1.0)
        yield {
            "panel": title(network, slot),
            "method": label(delta),
            "seed": seed,
            "step": int(10 * epoch),
            "epoch": epoch,
            "acc/train": share * (final + 0.1),
            "acc/val": share * final,
            "acc/choose": share * final,
            "acc/report": share * final,
            "loss/train": 1.0 if epoch >= falls else 3.0,
            "loss/val": 2.0,
            "acc/train-sd": 0.2 if protocol == "published" else np.nan,
            "acc/val-sd": 0.1 if protocol == "published" else np.nan,
            "batches/train": 10 if protocol == "published" else np.nan,
            "batches/val": 5 if protocol == "published" else np.nan,
            "network": network,
            "delta": delta,
            "data": "glyphs10-32",
            "batch_size": 32,
        }


def with_reshuffled(made, final, network="resnet18"):
    """Beside the curves those of reshuffled training, which ends at ``final``, seed by seed; as many as there are."""
    rows = made.frame
    own = rows[(rows.network == network) & (rows.delta == 1) & (rows.seed <= len(final))]
    added = own.assign(method="reshuffled", delta=np.nan)
    for seed, value in enumerate(final, start=1):
        added.loc[(added.epoch == EPOCHS[-1]) & (added.seed == seed), ["acc/val", "acc/report"]] = value
    layout = {title: (*names, "reshuffled") for title, names in made.layout.items()}
    return changed(made, pd.concat([rows, added]), layout=layout)


def of_the_papers_budget(made, slot_updates=97):
    """The same curves at ten times the epochs, of so many updates of 512 examples."""
    epoch = made.frame.epoch * 10
    rows = made.frame.assign(epoch=epoch, step=(epoch * slot_updates).astype(int), batch_size=512)
    return changed(made, rows)


def timings(rounds=4):
    """Seconds rise with the round; δ < 1 costs 1.02 times δ = 1 in every one."""
    rows = [
        {"round": k, "delta": delta, "seconds": (0.01 + 0.001 * k) * (1 if delta == 1 else 1.02)}
        for k in range(rounds)
        for delta in hard_samples.DELTAS
    ]
    named = changed(curves(seeds=1), name="hard-samples/table-1")
    return Timings(pd.DataFrame(rows), named.experiment, "A CPU", 1)


def loops(rounds=4):
    """Both loops' parts: an update takes 10 ms in round 0 and 1 ms more in each later one, and so on by hand."""
    rows = []
    for k in range(rounds):
        update = 0.01 + 0.001 * k
        for delta in hard_samples.DELTAS:
            spent = {"loading": 0.002, "skipped": 0.002 * (1 / delta - 1), "update": update}
            spent |= {"reading": 0.0001, "sorting": 0.0}
            rows.append((k, "ours", delta, "update", update))
            rows += [(k, "described", delta, *part) for part in spent.items()]
        rows += [(k, "ours", np.nan, "test", update / 2), (k, "described", np.nan, "test", 0.006)]
    frame = pd.DataFrame(rows, columns=["round", "loop", "delta", "part", "seconds"])
    return Timings(frame, timings().experiment, "A CPU", 1)


def set_final(made, delta, seed, metric, value, network="resnet18"):
    frame = made.frame
    last = (frame.epoch == EPOCHS[-1]) & (frame.network == network)
    frame.loc[last & (frame.delta == delta) & (frame.seed == seed), metric] = value


def diverge(made, delta, seed):
    frame = made.frame
    of_run = (frame.network == "resnet18") & (frame.delta == delta) & (frame.seed == seed) & (frame.epoch >= 5)
    frame.loc[of_run, ["acc/train", "acc/val", "acc/choose", "acc/report", "loss/train", "loss/val"]] = np.nan


def cell(table, network, second):
    return table[(table.network == network) & (table[table.columns[1]] == second)].iloc[0]


def lines(table, network):
    """The network's rows of the Markdown table, as lists of cells."""
    text = paper_tables.markdown(table).splitlines()
    return [line.strip("| ").split(" | ") for line in text if line.startswith(f"| {models.TITLES[network]} |")]


ALL = {
    "table-1": lambda: paper_timings.table_1(timings(), loops()),
    "table-2": functools.cache(paper_networks.table_2),  # counting takes seconds
    "table-3": lambda: paper_accuracies.table_3(curves("table-3")),
    "table-4": lambda: paper_accuracies.table_3(curves("table-4", networks=NETWORKS)),
    "table-5": lambda: paper_accuracies.table_3(curves("table-5", protocol="published", seeds=1)),
    "table-6": lambda: paper_best.table_6(curves("table-6")),
}
