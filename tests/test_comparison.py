"""`hardsample.compare`: any model, loss and data; stored by what was passed; statistics as everywhere."""

import dataclasses
import functools
import importlib
import json
import linecache
import math
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import hardsample
from hardsample import InputError, statistics
from hardsample.comparison import checkpoint, identity, launch, stored, training, trials
from hardsample.comparison.figure import looks_of
from hardsample.comparison.items import Items
from hardsample.comparison.problem import contestants_of, problem_of
from hardsample.methods.registry import METHODS
from hardsample.methods.specs import LOOKS
from hardsample.methods.uniform import UniformStream
from hardsample.paths import project_root
from hardsample.training.networks import NETWORKS

SIZE, TESTS, CLASSES = 60, 40, 3
BY_LOGITS = {"PEB", "P-margin", "P-confidence", "P-EL2N", "KAKURENBO"}


def numbers(rows, seed):
    return torch.randn(rows, 5, generator=torch.Generator().manual_seed(seed))


X, X_TEST = numbers(SIZE, 1), numbers(TESTS, 2)
Y, Y_TEST = (x[:, :CLASSES].argmax(1) for x in (X, X_TEST))
TRAIN, TEST = (X, Y), (X_TEST, Y_TEST)
REGRESSION = (X, X.sum(1)), (X_TEST, X_TEST.sum(1))


def make_model():
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, CLASSES))


def make_regressor():
    return nn.Sequential(nn.Linear(5, 1), nn.Flatten(0))


def squared_error(outputs, targets):
    return (outputs - targets).square()


def absolute_error(outputs, targets):
    return (outputs - targets).abs()


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def decaying_sgd(parameters):
    optimizer = sgd(parameters)
    return optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("HARDSAMPLE_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def compared(model=make_model, train=TRAIN, test=TEST, loss=None, **options):
    chosen = {"methods": ("shuffled", "PLB"), "seeds": 2, "epochs": 2, "batch_size": 8, "evaluations": 3, "workers": 1}
    return hardsample.compare(model, train, test, loss, quiet=True, **chosen | options)


def test_a_comparison_has_its_rows_and_its_table():
    found = compared(methods=("shuffled", "uniform", "PLB"), seeds=3)
    assert len(found.frame) == 3 * 3 * 4 and list(found.frame.columns[:3]) == ["method", "seed", "progress"]
    assert set(found.frame["update"]) == {0, 5, 10, 15} and found.frame.epoch.max() == 2
    assert list(found.table.metric.unique()) == ["accuracy", "loss"] and len(found.table) == 4
    assert found.baseline == "shuffled" and found.seeds == [1, 2, 3]
    starts = found.frame[found.frame.progress == 0].set_index(["method", "seed"])
    assert (found.final.loss < starts.loss).all()


def test_the_table_is_the_statistics_of_the_last_rows():
    found = compared(methods=("shuffled", "uniform", "PLB"), seeds=6)
    ends = found.final
    own = found.table[found.table.metric == "loss"].set_index("method")
    pairs = {
        name: statistics.paired(ends.loss[name], ends.loss["shuffled"], higher_is_better=False) for name in own.index
    }
    for name, pair in pairs.items():
        row = own.loc[name]
        assert (row.difference, row.low, row.high) == (pair.difference, pair.interval.low, pair.interval.high)
        assert (row.won, row.seeds, row.p) == (pair.won, 6, pair.p)
        assert math.isnan(row.p_holm) and row.verdict == "too few seeds"  # two tests need seven


def test_verdicts_follow_the_direction_of_the_metric():
    made = compared(
        methods=("shuffled", "PLB"),
        seeds=6,
        metrics={"up": accuracy_like, "down": accuracy_like},
        lower_is_better=("down",),
    )
    rows = {
        key: dataclasses.replace(t, rows=tuple((*row[:4], 0.5 - gain, 0.5 + gain, 0.5 + gain) for row in t.rows))
        for key, t in made.trained.items()
        for gain in [(0.1 + 0.01 * key[1]) * (key[0] == "PLB")]
    }
    found = dataclasses.replace(made, trained=rows).table.set_index("metric")
    assert dict(found.verdict) == {"up": "better", "down": "worse", "loss": "better"}
    assert dict(found.won) == {"up": 6, "down": 0, "loss": 6}


def accuracy_like(outputs, targets):
    return float((outputs.argmax(1) == targets).float().mean())


def test_all_methods_of_a_seed_begin_with_the_same_weights():
    found = compared(methods=("shuffled", "uniform", "PLB", "HMB"), seeds=2)
    starts = found.frame[found.frame.progress == 0].groupby("seed").loss.nunique()
    assert list(starts) == [1, 1] and found.frame[found.frame.progress == 0].loss.nunique() == 2


@pytest.mark.parametrize("name", METHODS)
def test_every_method_takes_part(name):
    methods = ("shuffled", name) if name != "MB" else ("MB", "uniform")
    found = compared(methods=methods, seeds=1)
    assert found.frame[found.frame.method == name].loss.notna().all()
    assert found.final.loc[name]["update"].eq(15).all()


def make_plain():
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, CLASSES))


def test_plb_is_what_a_loop_with_the_sampler_makes_of_it():
    found = compared(make_plain, seeds=1, optimizer=sgd)
    torch.manual_seed(1)
    model = make_plain()
    optimizer = sgd(model.parameters())
    sampler = hardsample.BaseValuesSampler(SIZE, batch_size=8, seed=1, batches=15)
    with torch.no_grad():
        sampler.fill(F.cross_entropy(model(X), Y, reduction="none"))  # as paper A begins
    for x, y, index in DataLoader(hardsample.WithIndex(TensorDataset(X, Y)), batch_sampler=sampler):
        losses = F.cross_entropy(model(x), y, reduction="none")
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
        sampler.update(index, losses)
    with torch.no_grad():
        loss = F.cross_entropy(model(X_TEST), Y_TEST).item()
    assert found.final.loc["PLB", 1].loss == pytest.approx(loss, rel=1e-6)
    assert found.final.loc["shuffled", 1].loss != pytest.approx(loss, rel=1e-3)


# What is passed: tasks and data sets.


def test_regression_scored_by_another_error():
    by_loss = compared(make_regressor, *REGRESSION, squared_error, methods=("shuffled", "PLB", "HMB"))
    by_score = compared(make_regressor, *REGRESSION, squared_error, score=absolute_error, name="scored")
    assert by_loss.metrics == ["loss"]
    ends = by_loss.final.loss["PLB"], by_score.final.loss["PLB"]
    assert not np.allclose(*ends) and np.allclose(by_loss.final.loss["shuffled"], by_score.final.loss["shuffled"])


def several_labels(outputs, targets):
    return F.binary_cross_entropy_with_logits(outputs, targets, reduction="none")


def test_several_labels_of_an_example_are_averaged():
    found = compared(make_model, (X, (X[:, :3] > 0).float()), (X_TEST, (X_TEST[:, :3] > 0).float()), several_labels)
    assert found.final.loss.notna().all()


def one_logit():
    return nn.Sequential(nn.Linear(5, 1), nn.Flatten(0))


def test_one_logit_of_a_binary_target_serves_peb():
    train, test = (X, (X[:, 0] > 0).float()), (X_TEST, (X_TEST[:, 0] > 0).float())
    found = compared(one_logit, train, test, several_labels, methods=("shuffled", "PEB"))
    assert found.final.loss.notna().all()


class Words(Dataset):
    """Text ids and their mask as mappings, labels among them."""

    def __init__(self, seed):
        self.ids = torch.randint(0, 20, (SIZE, 4), generator=torch.Generator().manual_seed(seed))

    def __len__(self):
        return SIZE

    def __getitem__(self, index):
        ids = self.ids[index]
        return {"ids": ids, "mask": (ids > 2).float(), "labels": int(ids[0] > 9)}


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(20, 4), nn.Linear(4, 2)

    def forward(self, ids, mask):
        return {"logits": self.head((self.words(ids) * mask[..., None]).mean(1))}


def test_mappings_are_the_models_keyword_arguments():
    found = compared(Reader, Words(1), Words(2), methods=("shuffled", "PLB", "PEB"))
    assert "accuracy" in found.metrics and found.final.loss.notna().all()


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(5, CLASSES)

    def forward(self, x, more):
        return self.one(x + more)


def test_several_inputs_are_the_models_arguments():
    assert compared(Two, (X, X, Y), (X_TEST, X_TEST, Y_TEST)).final.loss.notna().all()


def stacked(items):
    return torch.stack([x for x, _ in items]), torch.tensor([int(y) for _, y in items])


def test_a_collate_function_makes_the_batches():
    data = [(x, y) for x, y in zip(X, Y, strict=True)]
    plain, own = compared(), compared(make_model, data, list(zip(X_TEST, Y_TEST, strict=True)), collate=stacked)
    assert plain.final.loss.equals(own.final.loss)


def test_arrays_of_numpy_serve():
    found = compared(train=(X.double().numpy(), Y.numpy()), test=(X_TEST.double().numpy(), Y_TEST.numpy()))
    assert found.final.loss.equals(compared().final.loss)


def test_a_scheduler_steps_after_every_update():
    fast, slow = compared(optimizer=sgd), compared(optimizer=decaying_sgd)
    assert (slow.final.loss > fast.final.loss).all()


def to_nan(outputs, targets):
    return F.cross_entropy(outputs * (1e38 if outputs.requires_grad else 1.0) * 10, targets, reduction="none")


def test_a_training_that_diverges_is_counted_and_ends():
    found = compared(loss=to_nan, metrics={})
    assert found.final.loss.isna().all() and found.table.diverged.eq(2).all()
    assert (found.table.won == 0).all() and "2 diverged" in str(found)


@pytest.mark.parametrize("name", sorted(BY_LOGITS))
def test_a_method_of_classes_is_refused_where_there_are_none(name):
    with pytest.raises(InputError, match=f"{name} goes by the logits of classes.*such as PLB"):
        compared(make_regressor, *REGRESSION, squared_error, methods=("shuffled", name))


def mean_loss(outputs, targets):
    return F.cross_entropy(outputs, targets)


def column(outputs, targets):
    return F.mse_loss(outputs[:, :1], targets.float(), reduction="none")


def broken_metric(outputs, targets):
    raise KeyError("no such thing")


class Stream(IterableDataset):
    def __iter__(self):
        return iter(())


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"model": make_model()}, "make_model is a model: give a function"),
        ({"model": 3}, "make_model is a int: give a function"),
        ({"model": dict}, "make_model gives a dict"),
        ({"train": (X, Y[:-1])}, r"lengths \[60, 59\]"),
        ({"train": Stream()}, "train_set is an IterableDataset"),
        ({"train": 5}, "train_set is a int"),
        ({"test": (X[:0], Y[:0])}, "test_set is empty"),
        ({"train": (X, X), "test": TEST}, "loss is None, and the targets are no classes"),
        ({"loss": mean_loss}, 'reduction="none"'),
        ({"loss": column}, "one shape"),
        ({"loss": 3}, "loss is a int: give a function"),
        ({"score": mean_loss}, "the score gives"),
        ({"metrics": {"loss": mean_loss}}, "the name of a metric"),
        ({"metrics": {"m": broken_metric}}, "the metric 'm' fails with KeyError"),
        ({"lower_is_better": ["speed"]}, "unknown metric 'speed'"),
        ({"methods": ["PLB"]}, "two or more"),
        ({"methods": ["PLB", "PLB"]}, "each once"),
        ({"methods": ["shuffled", "PLBB"]}, "unknown method 'PLBB' .did you mean PLB"),
        ({"methods": ["shuffled", "PLB(powr=2)"]}, "unknown option of PLB 'powr'"),
        ({"methods": ["shuffled", "PLB(=)"]}, "cannot be read"),
        ({"methods": ["shuffled", "focal"]}, "more than its choice"),
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": [1, 1]}, "different whole numbers"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 61}, "at most the 60 training examples"),
        ({"evaluations": 1.5}, "evaluations is 1.5"),
        ({"budget": "money"}, "unknown budget 'money'"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"workers": -1}, "workers is -1"),
        ({"name": "../up"}, "the comparison's name"),
        ({"optimizer": list}, "optimizer gives a list"),
    ],
)
def test_bad_input_is_one_sentence_and_stores_nothing(wrong, said, own_store):
    with pytest.raises(InputError, match=said) as error:
        compared(**wrong)
    assert "\n" not in str(error.value) and not list(trials.files(own_store))


# What is stored.


def trained_anew(monkeypatch, **options):
    """How many trainings a comparison makes."""
    made = []
    monkeypatch.setattr(launch, "do_here", lambda *given: made.append(1) or training.train(*given[:0], **told(given)))
    compared(**options)
    return len(made)


def told(given):
    problem, contestants, job, device = given
    return {"problem": problem, "contestant": contestants[job.place], "seed": job.seed, "device": device}


def test_a_second_call_trains_nothing(monkeypatch):
    first = compared()
    assert trained_anew(monkeypatch) == 0
    assert trained_anew(monkeypatch, seeds=3) == 2 and trained_anew(monkeypatch, methods=("shuffled", "uniform")) == 2
    assert compared().frame.equals(first.frame)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": functools.partial(nn.Linear, 5, CLASSES)},
        {"train": (X + 1, Y)},
        {"test": (X_TEST + 1, Y_TEST)},
        {"optimizer": sgd},
        {"batch_size": 4},
        {"epochs": 3},
        {"evaluations": 2},
        {"metrics": {"mine": accuracy_like}},
        {"score": lambda outputs, targets: absolute_error(outputs[:, 0], targets)},
    ],
)
def test_what_is_passed_decides_whether_a_stored_training_serves(monkeypatch, changed):
    compared()
    assert trained_anew(monkeypatch, **changed) == 4


MODULE = """
from torch import nn
{helper}
WIDTH = {width}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, WIDTH), nn.{activation}(), nn.Linear(WIDTH, 3))

    def forward(self, x):
        return self.layers(x)

def make_model():
    return Net()
"""


@pytest.mark.parametrize(
    "edit", [{}, {"width": 9}, {"activation": "Tanh"}, {"helper": "# a remark that no function holds"}]
)
def test_an_edited_module_is_trained_anew(monkeypatch, tmp_path, edit):
    def made(**edit):
        values = {"helper": "", "width": 8, "activation": "ReLU"} | edit
        name = "own_model_of_a_test"
        (tmp_path / f"{name}.py").write_text(MODULE.format(**values))
        monkeypatch.syspath_prepend(str(tmp_path))
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        linecache.clearcache()
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        return importlib.import_module(name).make_model

    compared(made())
    assert trained_anew(monkeypatch, model=made(**edit)) == (4 if edit and "helper" not in edit else 0)


def test_a_file_that_is_edited_after_it_was_imported_is_not_what_runs(tmp_path, monkeypatch):
    path = tmp_path / "edited_in_a_test.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    text = "def loss(outputs, targets):\n    return (outputs {} targets).abs()\n"
    path.write_text(text.format("-"))
    importlib.invalidate_caches()
    loaded = importlib.import_module("edited_in_a_test").loss
    before = identity.source_of("loss", loaded)
    assert identity.source_of("loss", loaded) == before
    path.write_text(text.format("+"))
    linecache.checkcache()
    stale = identity.source_of("loss", loaded)
    monkeypatch.delitem(sys.modules, "edited_in_a_test")
    anew = identity.source_of("loss", importlib.import_module("edited_in_a_test").loss)
    assert len({before, stale, anew}) == 3


def test_what_has_no_source_is_trained_here_and_not_stored(capsys, own_store):
    found = hardsample.compare(
        lambda: nn.Linear(5, CLASSES), TRAIN, TEST, methods=("shuffled", "PLB"), seeds=1, epochs=1, workers=2, name="x"
    )
    assert found.final.loss.notna().all() and not list(trials.files(own_store))
    said = capsys.readouterr().out
    assert "nothing is stored, and this process alone works" in said and "make_model (a lambda" in said
    typed = {"nn": nn}
    exec("def typed():\n    return nn.Linear(5, 3)", typed)
    compared(typed["typed"])
    assert not list(trials.files(own_store))


class Augmented(Dataset):
    """Other items each time."""

    def __len__(self):
        return SIZE

    def __getitem__(self, index):
        return X[index] + 0.01 * torch.randn(5), Y[index]


def test_items_that_are_random_count_by_their_source(monkeypatch):
    first = compared(train=Augmented())
    assert trained_anew(monkeypatch, train=Augmented()) == 0
    assert compared(train=Augmented()).frame.equals(first.frame)


class Shared(Dataset):
    """Mappings that are handed out again and again."""

    def __init__(self, copies):
        self.copies, self.rows = copies, [{"x": x, "labels": int(y)} for x, y in zip(X, Y, strict=True)]

    def __len__(self):
        return SIZE

    def __getitem__(self, index):
        return dict(self.rows[index]) if self.copies else self.rows[index]


def test_items_count_by_what_they_hold_whether_or_not_they_are_the_same_objects():
    prints = {identity.fingerprint("train_set", Items(Shared(copies))) for copies in (True, False)}
    assert len(prints) == 1
    other = Shared(False)
    other.rows[50]["labels"] += 1
    assert identity.fingerprint("train_set", Items(other)) not in prints


def test_stored_trainings_of_other_code_serve_and_are_said_to_be(own_store, monkeypatch, capsys):
    first = compared()
    assert trials.count_other_code(trials.files(own_store)) == 0
    hardsample.compare(
        make_model, TRAIN, TEST, methods=("shuffled", "PLB"), seeds=2, epochs=2, batch_size=8, evaluations=3, workers=1
    )
    assert "4 stored, 0 to do" in (said := capsys.readouterr().out) and "other code" not in said
    monkeypatch.setattr(trials, "code", lambda method: "f" * 16)
    again = hardsample.compare(
        make_model, TRAIN, TEST, methods=("shuffled", "PLB"), seeds=2, epochs=2, batch_size=8, evaluations=3, workers=1
    )
    assert "4 stored trainings of other code than today's" in capsys.readouterr().out
    assert again.frame.equals(first.frame) and "Made by other code than today's: 4 of 4 trainings." in again.note
    assert stored.read("make_model", ["shuffled", "PLB"]).other_code == 4 and first.other_code == 0


def test_a_training_that_was_changed_is_found(own_store):
    compared()
    victim = next(trials.files(own_store))
    lines = victim.read_text().splitlines(keepends=True)
    victim.write_text("".join(line.replace("0.", "0.1", 1) if line.startswith("[1.0") else line for line in lines))
    (problem,) = trials.problems(own_store)
    assert "changed after it was written" in problem


def test_a_damaged_file_is_set_aside_and_trained_again(own_store):
    first = compared()
    victim = next(trials.files(own_store))
    victim.write_bytes(victim.read_bytes()[:-20])
    (problem,) = trials.problems(own_store)
    assert str(victim) in problem and "delete it" in problem
    assert compared().frame.drop(columns="seconds").equals(first.frame.drop(columns="seconds"))
    assert victim.with_name(f"{victim.name}.broken").exists() and len(list(trials.problems(own_store))) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "null",
        lambda text: "[" * 100_000,
        lambda text: json.dumps(json.loads(text) | {"method": {}}),
        lambda text: json.dumps(json.loads(text) | {"seconds": "long"}),
        lambda text: json.dumps(json.loads(text) | {"about": {"setting": {}, "lower": []}}),
        None,
    ],
    ids=["null", "deep", "method", "seconds", "setting", "link"],
)
def test_a_trial_of_another_shape_is_one_sentence(spoil, own_store):
    [original] = [path for path in trials.files(project_root() / "runs") if "digits-wrong/uniform-s1-" in str(path)]
    path = own_store / "comparisons" / "digits-wrong" / original.name
    path.parent.mkdir(parents=True)
    if spoil:
        path.write_text(spoil(original.read_text()))
    else:
        path.symlink_to("gone")
    (problem,) = trials.problems(own_store)
    assert problem.startswith(f"{path} is no finished training of a comparison (")
    with pytest.raises(InputError, match="is no finished training"):
        stored.read("digits-wrong", ["uniform"])


def test_a_file_of_another_training_is_told(own_store):
    compared()
    victim = next(trials.files(own_store))
    victim.rename(victim.with_name("other.trial"))
    (problem,) = trials.problems(own_store)
    assert "rename or delete it" in problem


def test_an_interrupted_comparison_keeps_what_had_ended(monkeypatch, own_store):
    real, left = launch.do_here, [3]

    def failing(*given):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(launch, "do_here", failing)
    with pytest.raises(KeyboardInterrupt):
        compared()
    assert len(list(trials.files(own_store))) == 2
    monkeypatch.setattr(launch, "do_here", real)
    assert trained_anew(monkeypatch) == 2


@pytest.mark.parametrize("method", ["PLB", "HMB", "InfoBatch", "SB", "LB"])
def test_an_interrupted_training_goes_on_bit_for_bit(monkeypatch, own_store, method):
    options = {"methods": ("shuffled", method), "seeds": 1, "train": Augmented(), "optimizer": decaying_sgd}
    whole = compared(**options, name="whole")
    real, steps = training._Training.update, []

    def stopping(self, step):
        steps.append(step)
        if len(steps) == 15 + 11:
            raise KeyboardInterrupt
        return real(self, step)

    monkeypatch.setattr(checkpoint, "EVERY", -1.0)
    monkeypatch.setattr(training._Training, "update", stopping)
    with pytest.raises(KeyboardInterrupt):
        compared(**options, name="stopped")
    [left] = trials.unfinished(own_store)
    assert method in left.name and len(list(trials.files(own_store))) == 3
    steps.clear()
    monkeypatch.setattr(checkpoint, "EVERY", 60.0)
    found = compared(**options, name="stopped")
    assert steps[0] == 10 and found.frame.drop(columns="seconds").equals(whole.frame.drop(columns="seconds"))
    assert trials.unfinished(own_store) == []


def test_a_damaged_checkpoint_is_begun_anew(own_store, monkeypatch):
    first = compared(name="first")
    monkeypatch.setattr(launch.Trial, "checkpoint", lambda self, root: own_store / "broken")
    for content in (b"", b"no zip", b"PK"):
        own_store.joinpath("broken").write_bytes(content)
        assert compared(name=f"after {len(content)}").final.loss.equals(first.final.loss)


def test_a_comparison_is_read_from_its_stored_trainings(own_store):
    found = compared(seeds=3)
    read = stored.read("make_model", ["shuffled", "PLB"])
    assert read.table.equals(found.table) and str(read) == str(found)
    next(path for path in trials.files(own_store) if "PLB-s2" in path.name).unlink()
    assert stored.read("make_model", ["shuffled", "PLB"]).seeds == [1, 3]
    with pytest.raises(InputError, match="compare them first"):
        stored.read("make_model", ["shuffled", "HMB"])
    compared(epochs=1)
    with pytest.raises(InputError, match="2 comparisons have the name 'make_model'"):
        stored.read("make_model", ["shuffled", "PLB"])


# Where it is computed, and for how long.


def test_workers_give_the_same_bits():
    alone = compared(name="alone")
    assert compared(name="together", workers=2).final.loss.equals(alone.final.loss)


def test_a_script_needs_no_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
            import torch, hardsample
            from torch import nn
            x = torch.randn(60, 5, generator=torch.Generator().manual_seed(1))
            class Net(nn.Linear):
                pass
            def make():
                return Net(5, 3)
            found = hardsample.compare(make, (x, x[:, :3].argmax(1)), (x, x[:, :3].argmax(1)), seeds=2, epochs=1,
                                       methods=("shuffled", "PLB"), workers=2)
            print(found)
        """)
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("accuracy  PLB") == 1 and "2 seeds" in ran.stdout


def test_by_the_clock_each_method_takes_the_baselines_time():
    found = compared(methods=("shuffled", "Mercury"), budget="wall-clock", epochs=20, evaluations=2)
    ends = found.final
    usual, other = ends.loc["shuffled"], ends.loc["Mercury"]
    assert (other.seconds >= usual.seconds).all() and (other["update"] < usual["update"]).all()
    assert (other.seconds < 2 * usual.seconds + 0.5).all()
    assert compared(methods=("shuffled", "Mercury"), budget="wall-clock", epochs=20, evaluations=2).frame.equals(
        found.frame
    )


def test_the_callers_generators_are_left_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    compared()
    assert torch.equal(torch.rand(3), wanted)


# Methods of one's own, words and pictures.


class MyMethod(UniformStream):
    """Uniform draws under another name."""


def test_a_method_of_ones_own_takes_part():
    hardsample.register(hardsample.MethodSpec("mine-in-compare", MyMethod))
    try:
        found = compared(methods=("uniform", "mine-in-compare"))
        assert found.table.difference.eq(0).all()
    finally:
        del METHODS["mine-in-compare"]
    assert "mine-in-compare" not in LOOKS


def test_scores_may_be_of_after_the_update_or_without_dropout():
    names = ["PLB", "PLB(score='after')", "PLB(score_dropout=False)", "PLB(score='after', score_dropout=True)"]
    ends = compared(methods=names, seeds=1, epochs=4).final.loss
    assert ends.notna().all() and ends.nunique() == 4
    plain = compared(make_plain, methods=names[:1] + names[2:3], seeds=1, epochs=4).final.loss
    assert plain.nunique() == 1  # a network without dropout gives one score


def test_options_stand_in_the_name_of_a_method():
    given = dict.fromkeys(("loss", "optimizer", "score", "metrics", "collate"))
    problem = problem_of(make_model, TRAIN, TEST, lower_is_better=(), epochs=3, batch_size=8, evaluations=1, **given)
    one, other = contestants_of(["shuffled", "PLB(uniform=0.2, beta=1)"], problem)
    assert dict(other.options) == {"uniform": 0.2, "beta": 1} and one.spec.name == "MB"
    assert contestants_of(["MB", "InfoBatch"], problem)[1].options["epochs"] == 3
    assert contestants_of(["MB", "OHEM(keep=0.25)"], problem)[1].options == {"keep": 0.25}


def test_the_methods_by_default_are_those_that_fit():
    assert "PEB" in compared(methods=None, seeds=1).methods
    assert compared(make_regressor, *REGRESSION, squared_error, methods=None, seeds=1).methods == [
        *("shuffled", "uniform", "PLB", "HMB")
    ]


class OwnLinear(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Linear(4, classes)

    def forward(self, images, masks=()):
        return self.layer(images.flatten(1) / 255)


def build_own_linear(classes, image_size):
    return OwnLinear(classes)


def test_a_network_of_ones_own_takes_part_by_its_name():
    hardsample.register(hardsample.NetworkSpec("own-linear", "a linear model", build_own_linear))
    try:
        images = (40 * X[:, :4] + 128).clamp(0, 255).byte().reshape(-1, 1, 2, 2)
        found = compared("own-linear", (images, Y), (images, Y))
        assert found.setting.name == "own-linear" and found.metrics == ["accuracy", "loss"]
    finally:
        del NETWORKS["own-linear"]
    with pytest.raises(InputError, match="own-linear"):
        compared("own-linear")


def test_no_two_methods_of_a_figure_have_one_colour():
    many = [f"PLB(power={power / 10})" for power in range(1, 5)]
    colors = [look.color for look in looks_of(["shuffled", "MB", "PLB", *many]).values()]
    assert colors[0] == colors[1] and len(set(colors[1:])) == len(colors) - 1


def test_words_and_picture():
    found = compared(methods=("shuffled", "PLB(uniform=0.5)"), seeds=3)
    assert "accuracy  PLB(uniform=0.5)" in str(found) and repr(found) == str(found)
    assert "| accuracy | PLB(uniform=0.5) |" in found.markdown() and found.note in found._repr_markdown_()
    figure = found.plot()
    assert len(figure.axes) == 4 and [text.get_text() for text in figure.axes[1].get_yticklabels()] == [
        "PLB(uniform=0.5)"
    ]


def test_a_checkpoint_is_of_its_training_alone_and_one_that_cannot_be_kept_is_said_once(tmp_path, caplog):
    cpu = torch.device("cpu")
    checkpoint.save(tmp_path / "one.checkpoint", {"step": 3})
    assert checkpoint.load(tmp_path / "one.checkpoint", cpu) == {"step": 3}
    (tmp_path / "one.checkpoint").rename(tmp_path / "other.checkpoint")
    assert checkpoint.load(tmp_path / "other.checkpoint", cpu) is None
    for place in ("one", "two"):
        checkpoint.save(tmp_path / "other.checkpoint" / f"{place}.checkpoint", {"step": 3})  # a file is no folder
    assert caplog.text.count("no checkpoint is kept") == 1
