"""Table 1's measurement: every share in every turn, kept for the device, and without a single evaluation."""

import json

import pytest

from hardsample import paths
from hardsample.errors import InputError
from hardsample.experiments import registry
from hardsample.experiments.panels import variant
from hardsample.runs import loop_timing, timing
from hardsample.runs.store import Store
from hardsample.training import evaluation, updates

EXPERIMENT = registry.grid("table-1", profile="smoke")


@pytest.mark.slow
def test_every_delta_is_timed_in_every_turn_and_the_measurement_is_kept(monkeypatch):
    monkeypatch.setattr(evaluation, "rows", None)  # nothing evaluates
    timings = timing.measure(EXPERIMENT, device="cpu", turns=2)
    rows = timings.frame
    assert [*rows.columns] == ["round", "delta", "seconds"]
    assert rows["round"].tolist() == [0] * 4 + [1] * 4
    assert rows.delta.tolist() == [1.0, 0.8, 0.5, 0.2] * 2
    assert (rows.seconds > 0).all()
    assert timings.threads == 1 and timings.device and timings.experiment is EXPERIMENT
    monkeypatch.setattr(updates, "stepper", None)  # nothing is measured again
    again = timing.measure(EXPERIMENT, device="cpu", turns=2)
    assert again.frame.equals(rows) and (again.device, again.threads) == (timings.device, timings.threads)
    assert len(list((paths.runs_dir() / "hard-samples" / "easy-digits").glob("*.timing"))) == 1
    assert Store().verify() == [] and Store().records() == [] and len(Store().timings()) == 1


def test_a_turn_makes_an_epoch_of_updates_after_a_first_one(monkeypatch):
    made = {}

    def stepper(run, data, *, device):
        made[run.options["delta"]] = 0

        def update():
            made[run.options["delta"]] += 1

        return update

    monkeypatch.setattr(updates, "stepper", stepper)
    timing.measure(EXPERIMENT, device="cpu", turns=3)
    assert made == dict.fromkeys((1.0, 0.8, 0.5, 0.2), 4 * 5)  # N = 5: the first pass, then three turns


def test_an_unknown_device_is_refused():
    with pytest.raises(InputError, match="unknown device 'tpu' .did you mean cpu..: choose one of auto, cpu, cuda"):
        timing.measure(EXPERIMENT, device="tpu")


CONTEST = registry.grid("rivals/letters", profile="smoke", seeds=2)


def test_costs_are_ratios_of_whole_trainings_and_are_kept(monkeypatch):
    """Every method takes a tick an update, SB three; the passes that choose are in the updates."""
    ticks = [0.0]
    made = {}

    def stepper(run, data, *, device):
        def update():
            name = variant(run), run.seed
            made[name] = made.get(name, 0) + 1
            ticks[0] += 3.0 if name[0] == "SB" else 1.0

        return update

    monkeypatch.setattr(updates, "stepper", stepper)
    monkeypatch.setattr(timing.time, "process_time", lambda: ticks[0])
    found = timing.costs(CONTEST, device="cpu")
    assert found == {variant(run): 3.0 if variant(run) == "SB" else 1.0 for run in CONTEST.timed}
    assert set(made.values()) == {4, 5}  # 2 epochs of 2 updates, and one before the first seed's
    monkeypatch.setattr(updates, "stepper", None)
    assert timing.costs(CONTEST, device="cpu") == found
    assert len(list((paths.runs_dir() / "base-values" / "easy-letters").glob("*.timing"))) == 1
    assert Store().verify() == [] and len(Store().timings()) == 1


@pytest.mark.parametrize("measure", [timing.measure, loop_timing.measure])
@pytest.mark.parametrize("turns", [0, -1, 2.5, True])
def test_there_is_a_turn_at_least(measure, turns):
    with pytest.raises(InputError, match="turns is .*: give a whole number from 1 up"):
        measure(EXPERIMENT, device="cpu", turns=turns, compute=False)


def damage(text, how):
    values = json.loads(text)
    values["rows"][0] = how(values["rows"][0])
    return json.dumps(values)


@pytest.mark.parametrize(
    "broken",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"runs"', '"ran"'),
        lambda text: text.replace('"fingerprint"', '"print"'),
        lambda text: json.dumps(json.loads(text) | {"rows": []}),
        lambda text: json.dumps(json.loads(text) | {"runs": []}),
        lambda text: json.dumps(json.loads(text) | {"device": "another"}),
        lambda text: json.dumps(json.loads(text) | {"runs": ["0" * 16] * 4}),
        lambda text: damage(text, lambda row: row[:2]),
        lambda text: damage(text, lambda row: [*row[:2], -1.0]),
        lambda text: damage(text, lambda row: [*row[:2], 1e999]),
        lambda text: damage(text, lambda row: [{}, *row[1:]]),
        *(lambda text, content=content: content for content in ("[]", "{}", "null", "[" * 100_000)),
    ],
)
def test_a_broken_measurement_is_told_in_one_sentence_(stored, broken):
    (path,) = stored.root.glob("*/*/*.timing")
    sound = path.read_text()
    path.write_text(broken(sound))
    assert stored.timings() == [] and stored.find_timing(EXPERIMENT.timed, ("a CPU", "2")) is None
    (problem,) = stored.verify()
    assert problem.startswith(f"{path} is no measurement of times (") and problem.endswith("and measure again.")
    path.write_text(sound)
    assert stored.verify() == []
    path.rename(path.with_name(f"{'0' * 16}.timing"))
    (problem,) = stored.verify()
    assert "its name is not that of its runs" in problem


@pytest.fixture
def stored():
    store = Store()
    rows = [(turn, run.options["delta"], 0.5) for turn in range(2) for run in EXPERIMENT.timed]
    store.write_timing(EXPERIMENT.timed, ("a CPU", "2"), {"device": "a CPU", "threads": 1, "fingerprint": "f"}, rows)
    return store


@pytest.mark.slow
def test_the_committed_measurements_verify(committed):
    assert len(committed.timings()) >= 3 and not [said for said in committed.verify() if "times" in said]


@pytest.mark.slow
def test_costs_are_of_real_trainings():
    found = timing.costs(CONTEST, device="cpu")
    assert found["MB"] == 1.0 and found["SB"] > 1.0 and found["Mercury"] > 1.0
