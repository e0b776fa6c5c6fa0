"""The runs of what goes beyond paper A's figures: what it leaves open, what it asks for next, and whether it lasts."""

import functools
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from hardsample.config import Run
from hardsample.data.dataset import name_of
from hardsample.experiments import base_values, profiles
from hardsample.experiments.panels import Experiment, Panel, amount
from hardsample.experiments.profiles import StudyProfile
from hardsample.experiments.specs import ExperimentSpec
from hardsample.numerals import count, short

DEFAULT = "default"
CONSTANT, COSINE = "constant learning rate", "cosine schedule"
_OFTEN = "PEB, all refreshed 4 times an epoch"
_TRAINING_EXAMPLES = 124_800  # paper A's, section 4.1: where a profile takes all

Methods = Mapping[str, tuple[str, Mapping[str, Any]]]
"""What a panel's curves are called, each with its method and options; the first is the baseline."""
Panels = Mapping[str, tuple[Methods, Mapping[str, Any]]]
"""By title, a panel's methods, and the fields of their runs that are not the default's."""

_PERSISTENT: Methods = {"MB": ("MB", {}), "PLB": ("PLB", {}), "PEB": ("PEB", {})}
_IN_DETAIL = {"detail": "examples"}  # of the default's runs of these, which several studies share


def _with_peb(*, baseline: str = "MB", **options: Any) -> Methods:
    return {baseline: (baseline, {}), "PEB": ("PEB", options)}


CHOICES: Panels = {
    DEFAULT: (_with_peb(), {}),
    "scores taken after the update": (_with_peb(score="after"), {}),
    "scores without dropout": (_with_peb(score_dropout=False), {}),
    "against MB with replacement (SMB)": (_with_peb(baseline="SMB"), {}),
    "no letter twice in a mini-batch": (_with_peb(distinct=True), {}),
    "base values of at least 0.01": (_with_peb(floor=0.01), {}),
    "optimizer's state carried on": (_with_peb(), {"pretrain_optimizer_state": "carried"}),
    "γ decays the learning rate": (_with_peb(), {"learning_rate_decay": 0.95, "rho": 0.9}),
    "standardised images": (_with_peb(), {"input_scaling": "standard"}),
    "one pre-trained start for all seeds": (_with_peb(), {"pretrain_start": "shared"}),
}
"""What paper A leaves open, changed from the default one at a time. Where γ is the factor that the learning rate falls
by after every epoch, rho is PyTorch's default."""


def _epoch(profile: StudyProfile, parts: int) -> int:
    """The steps of such a part of an epoch, as MB counts it."""
    examples = profile.train_examples or _TRAINING_EXAMPLES
    return max(1, round(Fraction(examples, int(profile.defaults["batch_size"]) * parts)))


def _choices(profile: StudyProfile) -> Panels:
    return CHOICES if profile.whole else {title: CHOICES[title] for title in list(CHOICES)[:4]}


def _measures(profile: StudyProfile) -> Panels:
    measures = ("P-EL2N", "P-margin", "P-confidence") if profile.whole else ("P-EL2N",)
    methods = {
        **_PERSISTENT,
        **{name: (name, {}) for name in measures},
        "PEB, all refreshed every epoch": ("PEB", {"refresh_every": _epoch(profile, 1)}),
        **({_OFTEN: ("PEB", {"refresh_every": _epoch(profile, 4)})} if profile.whole else {}),
        "PEB, distinct": ("PEB", {"distinct": True}),
    }
    return {"default hyper-parameters": (methods, {})}


def _lasting(profile: StudyProfile) -> Panels:
    long = {"epochs": profile.long_epochs}
    schedules = {CONSTANT: long, COSINE: long | {"learning_rate_schedule": "cosine"}}
    return {title: (_PERSISTENT, own) for title, own in schedules.items() if profile.whole or title == CONSTANT}


def _persistent(profile: StudyProfile) -> Panels:
    return {"default hyper-parameters": (_PERSISTENT, {})}


def build_grid(
    panels: Callable[[StudyProfile], Panels],
    spec: ExperimentSpec,
    profile: StudyProfile,
    data: str,
    seeds: int,
    precision: str,
) -> Experiment:
    """The runs of one study, whose panels are those that ``panels`` gives for the profile."""
    chosen = base_values.DATA.sources(data, stand_in=profile.stand_in, stand_ins=profile.stand_ins)
    common = profile.fields | {"data": name_of(*chosen.values()), "precision": precision}
    built = tuple(_panel(title, *own, seeds or profile.seeds, common) for title, own in panels(profile).items())
    return base_values.experiment(
        spec, profile, chosen, built, size_in_words(profile, precision, built[0].runs[0].epochs)
    )


def _panel(title: str, methods: Methods, own: Mapping[str, Any], seeds: int, common: Mapping[str, Any]) -> Panel:
    names = {}
    for shown, (method, options) in methods.items():
        shared = _IN_DETAIL if method in _PERSISTENT and not options and not own else {}
        fields = {**common, **own, **shared}
        names |= {Run(method=method, options=options, seed=seed, **fields): shown for seed in range(1, seeds + 1)}
    return Panel(title, tuple(names), names=names)


def _study(name: str, title: str, panels: Callable[[StudyProfile], Panels]) -> ExperimentSpec:
    grid = functools.partial(build_grid, panels)
    return ExperimentSpec(name=f"{base_values.PAPER}/{name}", title=title, grid=grid, sizes=profiles.STUDIES[0].of)


SPECS = (
    _study("choices", "What the paper leaves open", _choices),
    _study("measures", "Other measures, and fresher values", _measures),
    _study("lasting", "Does the gain last?", _lasting),
    _study("staleness", "How stale base values are", _persistent),  # from what runs keep of single examples,
    _study("where", "Where the gain is", _persistent),  # as is this
)
NAMES = tuple(spec.name for spec in SPECS)


def size_in_words(profile: StudyProfile, precision: str, epochs: float) -> str:
    """The size of a study's runs of so many epochs, for the foot of a figure."""
    defaults = profile.defaults
    return (
        f"profile {profile.name}: {amount(profile.train_examples, 'training examples')}, "
        f"{amount(profile.test_examples, 'test examples')}, train metrics on "
        f"{amount(profile.evaluate_train_examples, 'training examples')}; {count(epochs, 'epoch')}, the "
        f"pre-training of {short(defaults['pretrain_epochs'])} included; unless said otherwise "
        f"n = {defaults['batch_size']}, "
        f"α = {short(defaults['learning_rate'])}; {precision}"
    )
