"""The cohorts of paper A's runs, and the seconds that they are expected to take."""

import dataclasses
from collections.abc import Sequence

from hardsample.config import Run
from hardsample.experiments import registry
from hardsample.gpu import plan

FIGURES = tuple(f"base-values/{name}" for name in ("figure-1", "figure-2", "figure-3", "figure-4", "draws"))


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Runs that are trained together, and the figure that they are for first."""

    figure: str
    runs: tuple[Run, ...]

    @property
    def label(self) -> str:
        """The runs without their seeds."""
        return self.runs[0].label

    @property
    def starts(self) -> tuple[Run, ...]:
        """Their pre-trainings; empty if they have none."""
        return tuple(run.start for run in self.runs if run.start is not None)


def cohorts(data: str, precision: str, figures: Sequence[str] = FIGURES, *, tiny: bool = False) -> list[Cohort]:
    """The runs of paper A's figures, each once, figure by figure."""
    found: dict[Run, tuple[str, list[Run]]] = {}
    profile, seeds, examples = ("smoke", 2, 64) if tiny else ("paper", 0, 0)
    for figure in figures:
        grid = registry.grid(figure, profile=profile, data=data, seeds=seeds, examples=examples, precision=precision)
        for run in grid.runs:
            run = dataclasses.replace(run, test_examples=16, epochs=2.0) if tiny else run
            if run.method != "LB" or run.options:  # the bare reading draws on the host, and is shown on a CPU
                runs = found.setdefault(dataclasses.replace(run, seed=0), (figure, []))[1]
                runs += [run] * (run not in runs)
    return [Cohort(figure, tuple(runs)) for figure, runs in found.values()]


def expected_seconds(run: Run, size: int, step: float, evaluation: float, building: float, *, begun: bool) -> float:
    """For a cohort of such runs on ``size`` examples, from the seconds of a step, an evaluation and of building it."""
    share = 1 - run.pretrain_epochs / run.epochs if begun else 1.0
    steps, evaluations = run.epochs * size / run.batch_size, run.epochs * run.evaluations_per_epoch + 1
    return share * (steps * step + evaluations * evaluation) + building * (1 if begun or not run.start else 2)


def expected() -> dict[str, dict[str, float]]:
    """Seconds that paper A's runs are expected to take, by figure and in all, in bf16 and, for Figure 1, in float32."""
    found = {}
    for precision, figures in (("bf16", FIGURES), ("float32", FIGURES[:1])):
        rates = plan.EXPECTED[precision]
        sums: dict[str, float] = {"starting": rates.process + rates.compilation}
        begun: set[tuple[Run, ...]] = set()
        for cohort in cohorts(plan.DATA, precision, figures):
            run = cohort.runs[0]
            arguments = (run, 124_800, rates.step[run.batch_size], rates.evaluation, rates.cohort)
            spent = expected_seconds(*arguments, begun=cohort.starts in begun)
            sums[cohort.figure] = sums.get(cohort.figure, 0.0) + spent
            begun.add(cohort.starts)
        found[precision] = sums
    return found
