"""`hardsample compare`: does choosing examples help on a model, loss and data of one's own?"""

import argparse
import contextlib
import functools
from pathlib import Path

from hardsample import paths
from hardsample.comparison import launch, named
from hardsample.comparison.losses import LOSSES
from hardsample.comparison.problem import accuracy
from hardsample.errors import InputError
from hardsample.report import figures, markup
from hardsample.training.networks import NETWORKS

SIZES = ("seeds", "epochs", "batch_size", "evaluations")  # whose defaults are those of Python


def do(options: argparse.Namespace) -> int:
    """Train what is not stored, print the table, and write it with the figure and its curves."""
    if not options.data or not options.model:
        raise InputError("compare needs --data and --model, such as --data mine.npz --model my_module:make_model.")
    if options.out:
        _check_out(Path(options.out).absolute())
    model = named.model(options.model)
    train_set, test_set = named.data(options.data, as_bytes=options.model in NETWORKS)
    metrics = {text.rpartition(":")[2]: text for text in named.parts("--metrics", options.metrics)}
    sizes = {name: value for name in SIZES if (value := getattr(options, name)) is not None}
    found = launch.compare(
        model,
        train_set,
        test_set,
        named.function("loss", options.loss, LOSSES) if options.loss else None,
        methods=named.parts("--methods", options.methods) or None,
        optimizer=_optimizer(options.optimizer, options.learning_rate),
        score=named.function("score", options.score, LOSSES) if options.score else None,
        metrics={name: named.function("metrics", text, {"accuracy": accuracy}) for name, text in metrics.items()}
        or None,
        lower_is_better=named.parts("--lower-is-better", options.lower_is_better),
        budget=options.budget,
        device=options.device,
        workers=options.workers,
        name=options.name,
        **sizes,
    )
    print(f"\n{found}\n")
    stem = Path(options.out).absolute() if options.out else paths.figures_dir() / "comparisons" / found.setting.name
    written = figures.save(found.plot(), found.curves, stem)
    written += markup.write(stem, {"md": found.markdown()})
    print(f"{written[0].parent}: {', '.join(path.name for path in written)}")
    return 0


def _check_out(stem: Path) -> None:
    """Raise unless files of that stem can be written: better now than after the trainings."""
    paths.check_writable(stem.parent)
    with contextlib.suppress(FileNotFoundError):
        stem.with_name(f"{stem.name}.csv").lstat()  # which tells whether the name is too long


def _optimizer(text: str, learning_rate: float):
    if ":" in text:
        if learning_rate:
            raise InputError(f"--learning-rate goes with {', '.join(named.OPTIMIZERS)}: leave it out with {text}.")
        return named.function("optimizer", text)
    made = named.function("optimizer", text, named.OPTIMIZERS)
    return functools.partial(made, lr=learning_rate or 1e-3)
