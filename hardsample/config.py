"""What a run is, and nothing of where it is computed: the frozen record that a finished run is stored under."""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hardsample.arguments import MOST, file_name, told
from hardsample.errors import InputError, check_choice, check_value

PRECISIONS = ("float32", "tf32", "bf16")  # of products; sums and weights are float32 in all
STARTS = ("own", "shared")
OPTIMIZER_STATES = ("fresh", "carried")
STATISTICS = ("running", "batch")
AVERAGES = ("examples", "mini-batches")
LOSSES = ("cross-entropy", "focal")
SCHEDULES = ("constant", "cosine")
INITIALIZATIONS = ("torchvision", "timm")
INPUT_SCALINGS = ("unit", "standard")
DETAILS = ("metrics", "examples")
LONGEST_LABEL = 200  # bytes, which leave room in a file's name for the seed, the key and a suffix

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run: data, network, method, optimiser, budget, precision and seed.

    Where and how it is computed is not here: device, paths, workers and cohort width. Paths and workers do not decide
    the numbers. The device does: another processor rounds otherwise, and a long run of a seed then ends about as far
    away as another seed would, so that every record names it, and figures and tables say what pairs mix.
    ``epochs`` counts mini-batch epochs, pre-training included: N/n updates each for a stream of N examples (paper A,
    section 4.1), N updates for rounds over N mini-batches (paper B, equation 4).

    Raises:
        InputError: a value is out of range, of the wrong type or not one of the valid names.
    """

    data: str
    method: str
    seed: int
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    network: str = "letters-cnn"
    optimizer: str = "adadelta"
    learning_rate: float = 0.05
    rho: float = 0.95  # Adadelta's; paper A's gamma, section 4.1
    momentum: float = 0.9  # SGD's; paper B, section 4.1
    learning_rate_decay: float = 1.0  # factor after every epoch; the other reading of paper A's gamma
    batch_size: int = 32
    epochs: float = 10.0
    pretrain_epochs: float = 0.0
    pretrain_start: str = "own"  # or "shared": one pre-trained start for every seed
    pretrain_optimizer_state: str = "fresh"  # or "carried" into the fine-tuning
    train_examples: int | None = None  # a fixed subset; None: all of them
    test_examples: int | None = None
    evaluate_train_examples: int | None = None
    evaluations_per_epoch: float = 2.0
    evaluation_statistics: str = "running"  # batch normalisation's, or "batch": those of the mini-batch evaluated
    evaluation_average: str = "examples"  # or "mini-batches": each counts alike, a short one too
    image_size: int | None = None  # images are resized to it; None: as they are
    precision: str = "float32"  # IEEE everywhere; or "tf32", on a GPU alone; or "bf16"
    loss: str = "cross-entropy"  # what is trained on, or "focal"; examples are scored by cross-entropy
    focal_gamma: float = 2.0  # Lin et al. 2017, equation 4
    label_noise: float = 0.0  # share of the training labels that are exchanged for another class's
    class_imbalance: float = 1.0  # between the most and the least frequent class of the training set; 1: as they are
    learning_rate_schedule: str = "constant"  # or "cosine": to 0 over the updates after the pre-training
    initialization: str = "torchvision"  # by whose rule an EfficientNet or MobileNet is initialised; or "timm"
    input_scaling: str = "unit"  # pixels from 0 to 1; or "standard": less the training set's mean, by its deviation
    detail: str = "metrics"  # what is kept; or "examples": hardsample.training.details, too

    def __post_init__(self) -> None:
        for name, wanted in _TYPES.items():
            value = getattr(self, name)
            if type(value) not in _EXACT.get(wanted, ()):
                object.__setattr__(self, name, _typed(name, wanted, value))
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("evaluation_statistics", self.evaluation_statistics, STATISTICS)
        check_choice("evaluation_average", self.evaluation_average, AVERAGES)
        check_choice("loss", self.loss, LOSSES)
        check_choice("learning_rate_schedule", self.learning_rate_schedule, SCHEDULES)
        check_choice("initialization", self.initialization, INITIALIZATIONS)
        check_choice("input_scaling", self.input_scaling, INPUT_SCALINGS)
        check_choice("detail", self.detail, DETAILS)
        check_choice("pretrain_start", self.pretrain_start, STARTS)
        check_choice("pretrain_optimizer_state", self.pretrain_optimizer_state, OPTIMIZER_STATES)
        for name in ("data", "method", "network"):
            file_name(name, getattr(self, name))
        good = not self.data.endswith(".npz")
        check_value("data", repr(self.data), good, "the name of the data, which has no .npz at its end")
        self._check_numbers()
        try:
            self.canonical  # noqa: B018  # what it is stored under
        except (TypeError, ValueError):
            raise InputError(
                f"options are {told(dict(self.options))}: give plain values, as JSON has them, under names."
            ) from None
        file_name("the name of the run", self.label, LONGEST_LABEL)

    def _check_numbers(self) -> None:
        for name in ("learning_rate", "batch_size", "epochs", "evaluations_per_epoch"):
            value = getattr(self, name)
            check_value(name, value, 0 < value < math.inf, "a value above 0, and not infinite")
        for name in ("momentum", "rho"):
            value = getattr(self, name)
            check_value(name, value, 0 <= value < 1, "0, or a share below 1")
        decay, gamma = self.learning_rate_decay, self.focal_gamma
        check_value("learning_rate_decay", decay, 0 < decay <= 1, "1 (none), or a factor above 0 and below 1")
        check_value("focal_gamma", gamma, 0 <= gamma < math.inf, "0 (the cross-entropy) or a value above it")
        check_value("label_noise", self.label_noise, 0 <= self.label_noise <= 1, "a share of the labels, 0 to 1")
        known = 1 <= self.class_imbalance < math.inf
        check_value("class_imbalance", self.class_imbalance, known, "1 (the classes as they are) or a factor above it")
        fits = 0 <= self.pretrain_epochs <= self.epochs
        check_value("pretrain_epochs", self.pretrain_epochs, fits, f"0 to {self.epochs} (the epochs in all)")
        check_value("seed", self.seed, 0 <= self.seed <= MOST, "a whole number from 0 up, below 2**63")
        check_value("batch_size", self.batch_size, self.batch_size <= MOST, "a whole number below 2**63")
        for name in ("train_examples", "test_examples", "evaluate_train_examples", "image_size"):
            value = getattr(self, name)
            check_value(name, value, value is None or value >= 1, "at least 1, or nothing for all there is")
            check_value(name, value, value is None or value <= MOST, "a whole number below 2**63")

    def __repr__(self) -> str:
        """What is said of it: fields at their default are left out."""
        said = {name: value for name, value in self.to_dict().items() if value != _DEFAULTS[name]}
        return f"Run({', '.join(f'{name}={value!r}' for name, value in said.items())})"

    def __hash__(self) -> int:
        return hash(self.canonical)

    @functools.cached_property
    def canonical(self) -> str:
        """The run as JSON, keys sorted, fields at their default left out: what its key is the hash of.

        Leaving defaults out keeps every stored key valid when a later field joins with a default that changes nothing.
        """
        return _encode({name: value for name, value in self.to_dict().items() if value != _DEFAULTS[name]})

    @functools.cached_property
    def key(self) -> str:
        """16 hexadecimal digits: equal for equal runs, different for different ones."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """What a person reads in a file name; the key makes it unique."""
        what = [self.method] if self.network == _DEFAULTS["network"] else [self.network, self.method]
        share = [f"d{self.options['delta']}"] if "delta" in self.options else []
        numbers = [f"n{self.batch_size}", f"lr{self.learning_rate:g}", f"pre{self.pretrain_epochs:g}"]
        names = ("loss", "learning_rate_schedule", "initialization", "input_scaling")
        chosen = {name: getattr(self, name) for name in names}
        rest = [value for name, value in chosen.items() if value != _DEFAULTS[name]]
        rest += [f"noise{self.label_noise:g}"] if self.label_noise else []
        rest += [f"imbalance{self.class_imbalance:g}"] if self.class_imbalance != 1 else []
        return "-".join((self.data, *what, *share, *numbers, *rest))

    @functools.cached_property
    def start(self) -> "Run | None":
        """The pre-training this run continues, itself a run of ``MB``; None without pre-training.

        Equal for every method of a seed, so that it is computed once for all of them.
        """
        if not self.pretrain_epochs:
            return None
        return dataclasses.replace(
            self,
            method="MB",
            options={},
            epochs=self.pretrain_epochs,
            pretrain_epochs=0.0,
            pretrain_start="own",
            pretrain_optimizer_state="fresh",
            learning_rate_schedule="constant",
            detail="metrics",
            seed=self.seed if self.pretrain_start == "own" else 0,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {name: getattr(self, name) for name in _TYPES} | {"options": dict(self.options)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Run":
        """The run that :meth:`to_dict` wrote.

        Raises:
            InputError: a field is unknown, missing or mistyped.
        """
        if not isinstance(values, Mapping):
            raise InputError(f"a run is {told(values)}: give a mapping with its fields, {', '.join(_TYPES)}.")
        if not values.keys() <= _TYPES.keys():
            check_choice("field of a run", next(name for name in values if name not in _TYPES), _TYPES)
        missing = [name for name in ("data", "method", "seed") if name not in values]
        if missing:
            raise InputError(f"a run needs {' and '.join(missing)}: its fields are {', '.join(_TYPES)}.")
        return cls(**values)

    def __reduce__(self) -> tuple[Any, ...]:
        return Run.from_dict, (self.to_dict(),)


# Of every field, in their order: its type in words, and what it is where nothing is said.
_TYPES = {field.name: getattr(field.type, "__name__", str(field.type)) for field in dataclasses.fields(Run)}
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Run)} | {"options": {}}
_EXACT: dict[str, tuple[type[Any], ...]] = {  # taken as they are
    "str": (str,),
    "int": (int,),
    "float": (float,),
    "int | None": (int, type(None)),
}


def _typed(name: str, wanted: str, value: Any) -> Any:
    """``value`` as the field's type, refusing what would need a guess."""
    if name == "options":
        if not isinstance(value, Mapping) or not all(isinstance(option, str) for option in value):
            raise InputError(f"options is {told(value)}: give a mapping of option names to values.")
        return MappingProxyType(dict(sorted(value.items())))
    kinds: tuple[type[Any], ...] = (int, float) if wanted == "float" else _EXACT[wanted]
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise InputError(f"{name} is {told(value)} ({type(value).__name__}): give {wanted}.")
    try:
        return float(value) if wanted == "float" else value
    except OverflowError:
        raise InputError(f"{name} is {told(value)}: give a smaller number.") from None
