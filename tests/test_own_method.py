"""A method from outside the package: one registration, and it trains, has its look and enters the contest."""

import dataclasses

import matplotlib.colors
import pytest
import torch
from random_letters import letters

import hardsample
from hardsample.errors import InputError
from hardsample.experiments import registry as experiments
from hardsample.experiments.panels import variant
from hardsample.methods import specs
from hardsample.methods.registry import Draw, Entry, FullMiniBatches, Look, MethodSpec, build
from hardsample.report import style


class EveryThird(FullMiniBatches):
    """Draws examples in steps of three, and looks at their losses before every draw."""

    def __init__(self, size, n, seeds, first_step, *, stride=3):
        super().__init__(size, n)
        self.size, self.n, self.seeds, self.stride = size, n, seeds, stride
        self.refreshed = []

    def refresh(self, step, evaluate):
        logits, losses = evaluate(self.draw(step).indices)
        assert logits.shape[:2] == losses.shape == (len(self.seeds), self.n)
        self.refreshed.append(step)

    def draw(self, step):
        lane = torch.arange(self.n) + step * self.n
        return Draw((lane * self.stride % self.size).repeat(len(self.seeds), 1), torch.ones(len(self.seeds), self.n))

    def learning_rate_factor(self, step):
        return 0.5


SPEC = MethodSpec(
    "THIRD",
    EveryThird,
    title=lambda options: f"every {options.get('stride', 3)}rd",
    looks={"every 3rd": Look("#123456", "-", "*")},
    entries=(Entry(), Entry({"stride": 5}, name="every 5th")),
    differences="made up for a test",
)


@pytest.fixture(autouse=True)
def registered():
    registries = specs.METHODS, specs.LOOKS, specs.ENTRIES, specs.DIFFERENCES
    before = [dict(registry) for registry in registries]
    SPEC.register()
    yield
    for registry, entries in zip(registries, before, strict=True):
        registry.clear()
        registry.update(entries)


@pytest.mark.slow
def test_it_trains_and_is_refreshed_once_a_step(monkeypatch):
    made, draw = [], EveryThird.draw
    monkeypatch.setattr(EveryThird, "draw", lambda self, step: made.append(self) or draw(self, step))
    data = letters(96, 40)
    run = hardsample.Run("random", "THIRD", 1, batch_size=16, epochs=2.0, options={"stride": 5})
    (result,) = hardsample.train([run], data)
    assert result.rows[-1][0] == 12 and made[-1].refreshed == list(range(12)) and made[-1].stride == 5
    columns = dict(zip(result.columns, result.rows[-1], strict=True))
    assert (columns["forwards"], columns["backwards"]) == (2 * 12 * 16, 12 * 16)


def test_its_curves_have_their_names_and_looks():
    run = hardsample.Run("random", "THIRD", 1)
    assert variant(run) == "every 3rd"
    assert style.style("every 3rd") == SPEC.looks["every 3rd"]
    assert style.handle("every 3rd", style.style("every 3rd")).get_color() == "#123456"
    assert matplotlib.colors.is_color_like(style.style("every 5rd").color)  # a spare one
    assert style.in_order(["every 3rd", "MB"]) == ["MB", "every 3rd"]


def test_it_enters_the_contest():
    grid = experiments.grid("rivals/letters", profile="smoke", data="stand-in")
    for panel in grid.panels:
        assert {"every 3rd", "every 5th"} <= {panel.variant(run) for run in panel.runs}
    assert grid.rates["every 3rd"] == 0.5
    assert {run.options.get("stride") for run in grid.runs if run.method == "THIRD"} == {None, 5}


def test_registering_again_changes_nothing_and_a_name_is_one_methods():
    SPEC.register()
    assert build("THIRD", 10, 2, torch.tensor([1])).updates_per_epoch == 5
    others = (
        dataclasses.replace(SPEC, differences="other"),
        MethodSpec("OTHER", EveryThird, looks={"MB": Look("red", "-", "o")}),
        MethodSpec("OTHER", EveryThird, entries=(Entry(name="StaleSB"),)),
    )
    for other, what in zip(others, ("method 'THIRD'", "look 'MB'", "entry 'StaleSB'"), strict=True):
        with pytest.raises(InputError, match=f"there is a {what} already: choose another name than"):
            other.register()
    assert "OTHER" not in specs.METHODS
