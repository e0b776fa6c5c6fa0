"""The plan: seeds of one configuration together, starts before what waits for them, long jobs first, no idle worker."""

from types import SimpleNamespace

from hardsample.config import Run
from hardsample.runs import devices, plan
from hardsample.runs.plan import Plan, make_jobs, split_cohorts, starts_of


def test_a_start_is_urgent_and_long_jobs_go_first():
    long, short = Run("glyphs", "MB", 0, epochs=9.0), Run("glyphs", "MB", 0, epochs=1.0)
    waiting = [Run("glyphs", "MB", seed, epochs=4.0, pretrain_epochs=1.0) for seed in (0, 1)]
    runs = [short, *waiting, long]
    costs = {run: run.epochs for run in (*runs, *(run.start for run in waiting))}
    jobs = Plan(make_jobs(runs, starts_of(runs), costs, on_gpu=False), set(), None)
    order = [jobs.take() for _ in range(4)]
    assert [job.runs[0] for job in order] == [long, waiting[0].start, waiting[1].start, short]
    assert jobs.take() is None
    jobs.ready.add(waiting[1].start)
    assert jobs.take().runs == (waiting[1],)
    assert jobs.fail(order[1]) == [waiting[0]] and jobs.take() is None


def test_the_longest_run_that_waits_for_a_start_makes_it_urgent():
    runs = [Run("glyphs", method, seed, pretrain_epochs=1.0) for method in ("MB", "PEB") for seed in (0, 1, 2)]
    starts = starts_of(runs)
    costs = dict.fromkeys(starts, 1.0) | {run: 1.0 + run.seed + 10 * (run.method == "PEB") for run in runs}
    jobs = make_jobs(runs, starts[1:], costs, on_gpu=False)
    assert {job.runs[0].seed: job.urgency for job in jobs if job.is_start} == {1: 13.0, 2: 14.0}
    assert [job.needs for job in jobs[:2]] == [{starts[0]}, {starts[1]}]


def test_cohorts_are_seeds_of_one_configuration():
    runs = [Run("glyphs", method, seed) for seed in range(14) for method in ("MB", "PEB")]
    cohorts = split_cohorts(runs, on_gpu=True)
    assert [[(run.method, run.seed) for run in cohort] for cohort in cohorts] == [
        *([("MB", seed) for seed in range(12)], [("MB", 12), ("MB", 13)]),
        *([("PEB", seed) for seed in range(12)], [("PEB", 12), ("PEB", 13)]),
    ]
    assert all(len(cohort) == 1 for cohort in split_cohorts(runs, on_gpu=False))
    large = [Run("glyphs", "FMB", seed, network="resnet18") for seed in range(3)]
    assert all(len(cohort) == 1 for cohort in split_cohorts(large, on_gpu=True))


def test_workers_are_never_more_than_jobs_nor_started_for_little(monkeypatch):
    monkeypatch.setattr(devices, "count_cores", lambda: 8)

    def jobs(count, seconds):
        return [SimpleNamespace(seconds=seconds)] * count

    assert plan.count_workers(0, "cpu", jobs(20, 60.0)) == 8
    assert plan.count_workers(0, "cpu", jobs(3, 60.0)) == 3
    assert plan.count_workers(0, "cpu", jobs(20, 0.1)) == 1
    assert plan.count_workers(4, "cpu", jobs(20, 0.1)) == 4
