"""The reproducibility statement: the checklist that reproducibility tracks ask for, as Markdown to paste."""

from collections import Counter
from collections.abc import Iterator, Sequence

import hardsample
from hardsample import statistics
from hardsample.data import catalogue
from hardsample.experiments import base_values, hard_samples, specs
from hardsample.experiments.shipped import SHIPPED, shipped
from hardsample.numerals import count, number, percent
from hardsample.records import StoredRun, seconds_of
from hardsample.report import deviation_effects, hours, markup
from hardsample.report.claim_verdicts import NOT_TESTED
from hardsample.report.deviations import DEVIATIONS
from hardsample.training import networks
from hardsample.verdicts import findings
from hardsample.verdicts.claim import Judged

_AGAIN = """```sh
make shipped         # draws every figure and table from the stored runs
make report          # judges every claim again, and writes this statement
make reproduce       # the same, and a trial of the whole way from nothing
make verify RERUN=5  # trains five stored runs again and compares
```"""
_MEASURED = "resnet18"  # whose time the other networks' is estimated from


def markdown(judged: Judged, records: Sequence[StoredRun]) -> str:
    """The statement, from the claims that were judged and the runs that are stored."""
    real = [record for record in records if not catalogue.is_stand_in(record.run.data)]
    parts = (
        "# Reproducibility statement",
        "Of *On Speeding Up the Training of Deep Neural Networks Using the Streaming Approach: The Base-Values"
        " Mechanism* (paper A) and *Can we learn better with hard samples?* (paper B), computed from the stored runs by"
        f" `hardsample` {hardsample.__version__}.",
        "## Claims",
        "\n".join(f"- {line}" for line in findings.counted(judged)),
        "## Data",
        markup.markdown_table(("data", "what it is", "origin", "used by", "fingerprint"), _data(real)),
        "No image is part of the package: each set is downloaded from its makers and checked, or made from their files"
        " as `docs/data.md` says. A fingerprint is of the arrays that were trained and tested on.",
        "## Code",
        "\n".join(f"- {line}" for line in _code(real)),
        "## Seeds",
        "\n".join(f"- {line}" for line in _seeds(real)),
        "## Compute",
        "\n".join(f"- {line}" for line in (*_spent(records), *_estimated(real))),
        "## Statistics",
        "\n".join(f"- {line}" for line in _statistics()),
        "## Deviations",
        "\n".join(f"- {line}" for line in _deviations(records)),
        "## What could not be done",
        "\n".join(f"- {line}" for line in _not_done(judged)),
        "## To repeat it",
        _AGAIN,
    )
    return "\n\n".join(parts) + "\n"


def _data(records: Sequence[StoredRun]) -> Iterator[Sequence[str]]:
    for name in dict.fromkeys(record.run.data for record in records):
        known = catalogue.DATASETS.get(name)
        own = [record for record in records if record.run.data == name]
        prints = dict.fromkeys(record.provenance["data"]["fingerprint"] for record in own)
        what, origin = (known.what, known.origin) if known else ("data of one's own", "")
        yield name, what, origin, count(len(own), "run"), ", ".join(prints)


def _code(records: Sequence[StoredRun]) -> Iterator[str]:
    commits = {record.provenance.get("commit", "unknown") for record in records}
    versions = Counter(
        f"torch {record.provenance['versions']['torch']} and Python {record.provenance['versions'].get('python', '?')}"
        for record in records
    )
    yield "Open, under the MIT licence; versions pinned in `constraints.txt`, dependencies in `pyproject.toml`."
    yield f"{count(len(records), 'run')} of {count(len(commits), 'commit')}, each named in the run's own record."
    if versions:
        made = "; ".join(f"{count(many, 'run')} with {words}" for words, many in versions.most_common())
        yield f"{made[0].upper()}{made[1:]}."
    if prototype := sum("computed_by" in record.provenance for record in records):
        yield f"{count(prototype, 'run')} were made by a prototype of the package's step, which their records name."
    yield "Tests: `make test`, and `make test-all` with the slow ones."


def _seeds(records: Sequence[StoredRun]) -> Iterator[str]:
    for data in dict.fromkeys(record.run.data for record in records):
        seeds = {record.run.seed for record in records if record.run.data == data}
        yield f"{data}: seeds {min(seeds)} to {max(seeds)}, the same for every method that is compared."
    yield (
        "Every random number is a function of seed, purpose and step; no seed was left out, and one that diverges is"
        " counted as diverged."
    )


def _spent(records: Sequence[StoredRun]) -> Iterator[str]:
    own = [experiment for experiment, _ in shipped([name for name, _ in SHIPPED])]
    rows = hours.table(own, records)
    spent = f"{hours.total(rows)}; by figure and device in `figures/hours.md`" if len(rows) else "no run is stored yet"
    yield f"Spent on what is shipped: {spent}."


def _estimated(records: Sequence[StoredRun]) -> Iterator[str]:
    """What the papers' own sizes would take, from what stored runs took."""
    full = [record for record in records if record.run.data in _FULL and record.run.train_examples is None]
    if full:
        took = Counter({device: 0.0 for device in _devices(full)})
        for record in full:
            took[record.provenance["device"]] += seconds_of(record.provenance) / 3600
        told = ", ".join(f"{number(value, 2)} hours on {device}" for device, value in took.items())
        yield f"Paper A at its own size: {count(len(full), 'run')} are stored, which took {told}, evaluations included."
    measured = [
        record
        for record in records
        if record.run.network == _MEASURED and record.run.data in _COPIES and record.run.precision == "float32"
    ]
    if measured:
        estimate, device = _of_paper_b(measured)
        yield (
            f"Paper B at its own size, estimated: {number(estimate, 0)} hours of one core ({device}), from what an"
            f" epoch of ResNet-18 took, by the FLOPs of the five networks at 128x128, for"
            f" {count(_profile().seeds, 'seed')} of every δ; evaluations not counted."
        )


_FULL = ("sd19-letters", *base_values.DATA.own)
_COPIES = ("cifar10-rebuilt", *hard_samples.SLOTS.values())


def _profile():
    return specs.find_profile(hard_samples.PAPER, "paper")


def _devices(records: Sequence[StoredRun]) -> list[str]:
    return list(dict.fromkeys(record.provenance.get("device", "unknown") for record in records))


def _of_paper_b(measured: Sequence[StoredRun]) -> tuple[float, str]:
    """Hours for every network, data set, δ and seed, and what they are hours of."""
    device, _ = Counter(record.provenance["device"] for record in measured).most_common(1)[0]
    own = [record for record in measured if record.provenance["device"] == device]
    done = sum(
        (record.run.train_examples or 50_000)
        * record.run.epochs
        * networks.flops(_MEASURED, 10, record.run.image_size or 32)
        for record in own
    )
    per_flop = sum(seconds_of(record.provenance) for record in own) / done
    profile = _profile()
    images = sum(hard_samples.EXAMPLES.values()) * profile.epochs * len(hard_samples.DELTAS) * profile.seeds
    flops = sum(networks.flops(name, 10, profile.image_size) for name in networks.TITLES)
    return per_flop * flops * images / 3600, device


def _statistics() -> Iterator[str]:
    yield (
        f"Differences are paired by seed, with {percent(statistics.CONFIDENCE)} t intervals, and cover seeds alone, not"
        " the choice of test images. p is of the two-sided exact sign-flip test, adjusted by Holm over the tests of"
        f" a claim; significant below {statistics.LEVEL:g}."
    )
    yield (
        f"Two things count as equal where two one-sided t tests show them within {number(100 * statistics.MARGIN, 1)}"
        " points of accuracy. Fewer than six pairs of seeds are not tested."
    )
    yield "Beside what is inconclusive stands the smallest effect that would be significant at the spread of the seeds."


def _deviations(records: Sequence[StoredRun]) -> Iterator[str]:
    rows = deviation_effects.table(records)
    run = rows[rows.n > 0].question.nunique()
    yield (
        f"{count(len(DEVIATIONS), 'choice')} that the papers leave open, or that were made otherwise, are listed in"
        f" `figures/deviations.md`, with the effect of the other value for the {run} that were run both ways."
    )


def _not_done(judged: Judged) -> Iterator[str]:
    """Why claims were not tested, the reason that most have first."""
    reasons: Counter[tuple[str, str]] = Counter()
    for claim in judged.claims:
        if claim.kind == findings.RESULT and claim.verdict == NOT_TESTED:
            reasons[claim.paper, claim.note.partition(" Made were")[0]] += 1
    for (paper, note), many in reasons.most_common():
        yield f"Paper {paper}, {count(many, 'result')}: {note}"
    data = {own for claim in judged.claims for own in claim.data}
    missing = [name for name in (*base_values.DATA.own, *hard_samples.SLOTS.values()) if name not in data]
    yield f"Nothing was tested on the papers' own {', '.join(missing)}." if missing else "All data sets were used."
