"""What paper A says of its results, statement by statement, as the tests that it comes to.

Place and words are those of ``published``; so are the numbers. Where the paper says "similar" or "close", "much" or
"far", the bounds are ours: those of :mod:`hardsample.report.lb_statements` for LB, half a point of accuracy and 5 % of
a loss elsewhere, and the two below. They were set before the tests were first run, and not changed since.
"""

from collections.abc import Mapping

from hardsample.experiments import published
from hardsample.experiments.curves import METRICS
from hardsample.experiments.lb_study import DEFAULT, LARGE_BATCH, LARGE_RATE, SMALL_BATCH, SMALL_RATE
from hardsample.report import lb_statements
from hardsample.report.claim_tests import Bands, Statement, Test, alike, better, better_in, steadier
from hardsample.report.lb_statements import SIMILAR

PAPER = "base-values"
LETTERS = f"{PAPER}-claims"  # in ``published``
FAR_FEWER = -25.0  # % of the updates: "far fewer" are less than three quarters
UNFINISHED = -1.0  # % of the train loss in the last epoch: training that still gains so much is "far from finished"
REMARKS = {"LB": "LB is the nearest reading found, not identified"}
"""What is to be known of a method wherever it is tested."""

PERSISTENT = ("PLB", "PEB")
VALIDATION, ACCURACIES = ("acc/val", "loss/val"), ("acc/train", "acc/val")
NONE, ONE, FIVE = "pre-training 0 epochs", "pre-training 1 epoch", "pre-training 5 epochs"
LENGTHS = (NONE, ONE, DEFAULT, FIVE)
BATCHES = (SMALL_BATCH, DEFAULT, LARGE_BATCH)
RATES = (LARGE_RATE, DEFAULT, "α = 0.01", SMALL_RATE)
EVERY = tuple(dict.fromkeys((*LENGTHS, *BATCHES, *RATES)))
_SLOWER = tuple(zip(RATES[1:], RATES[:-1], strict=True))  # each rate and the next higher one
INACCURATE = SIMILAR  # % of the drawing probability at the wrong examples: more is "not accurate"


def _printed(place: str, claim: str, metric: str, panels: tuple[str, ...], sign: int = 1) -> Statement:
    """That PEB differs from MB by the number that is printed, to its last digit, or by "more than" it.

    ``sign`` is -1 where PEB lies below.
    """
    claims = published.text(LETTERS).set_index(["place", "claim"])
    value = claims.loc[(place, claim), "value"]
    if claim.endswith("more than"):
        return Statement(place, claim, (Test("PEB", metric, panels, low=float(value), other="MB"),))
    half = 0.5 * 10.0 ** -len(value.partition(".")[2])
    low, high = sorted(sign * (float(value) + side * half) for side in (-1, 1))
    return Statement(place, claim, (Test("PEB", metric, panels, low, high, "MB", absolute=True, printed=True),))


def _of_lb(*numbers: int) -> tuple[Test, ...]:
    """The tests of :data:`hardsample.report.lb_statements.STATEMENTS` of those numbers."""
    return tuple(
        _lb_test(test)
        for statement in lb_statements.STATEMENTS
        if statement.number in numbers
        for test in statement.tests
    )


def _lb_test(test: lb_statements.Test) -> Test:
    name, other = test.test.partition(", ")[0], test.other
    if name == "overfit":
        return Test("LB", "loss/val", (test.setting,), test.low, test.high, moment="rise")
    moment = "first" if name.startswith("first ") else "end"
    return Test("LB", name.removeprefix("first "), (test.setting,), test.low, test.high, other=other, moment=moment)


def _slower(method: str) -> tuple[Test, ...]:
    """At each learning rate lower mean accuracy and higher mean loss over the training than at the next higher one."""
    return tuple(
        Test(method, metric, (rate,), against=higher, moment="mean", **bound)
        for rate, higher in _SLOWER
        for metric, bound in (("acc/val", {"high": 0.0}), ("loss/val", {"low": 0.0}))
    )


def _sooner(bound: float) -> tuple[Test, ...]:
    """PLB and PEB need so much fewer updates than MB until they first have MB's final accuracy."""
    return tuple(Test(method, "acc/val", (DEFAULT,), high=bound, other="MB", moment="reach") for method in PERSISTENT)


def _same_end(method: str) -> tuple[Test, ...]:
    """After any other length of the pre-training a method ends as after the default's."""
    return tuple(
        test for length in (NONE, ONE, FIVE) for test in alike(method, (length,), *VALIDATION, against=DEFAULT)
    )


def _misplaced_less(*pairs: tuple[str, str]) -> tuple[Test, ...]:
    """In the first setting of each pair PEB's stored base values misplace less of the drawing probability."""
    return tuple(Test("PEB", "misplaced", (one,), high=0.0, against=other, moment="mean") for one, other in pairs)


def _unfinished(*panels: str) -> tuple[Test, ...]:
    return tuple(
        Test(method, "loss/train", (panel,), high=UNFINISHED, moment="last epoch")
        for panel in panels
        for method in ("MB", "PEB")
    )


def _parts(place: str, claim: str, aspects: Mapping[str, tuple[Test, ...]], *, most: bool = False):
    """A sentence of several parts, which are judged alone."""
    return tuple(Statement(place, claim, tests, aspect, most) for aspect, tests in aspects.items())


def _against_both(panels: tuple[str, ...], *metrics: str) -> dict[str, tuple[Test, ...]]:
    """PEB against MB, and against LB."""
    return {f"against {other}": better("PEB", other, panels, *metrics) for other in ("MB", "LB")}


_SECTION_1 = (
    _printed("Section 1", "final training accuracy of PEB above MB's, on average, about", "acc/train", (DEFAULT,)),
    _printed("Section 1", "final validation accuracy of PEB above MB's, on average, about", "acc/val", (DEFAULT,)),
    Statement(
        "Section 1",
        "the persistent methods beat epoch-based training with far fewer mini-batches",
        _sooner(FAR_FEWER),
    ),
    *_parts(
        "Section 1",
        "PLB and PEB are faster, steadier and generalise better than epoch-based training",
        {
            "faster": _sooner(0.0),
            "steadier": tuple(test for own in PERSISTENT for test in steadier(own, DEFAULT, *VALIDATION, other="MB")),
            "generalise better": tuple(
                test for own in PERSISTENT for test in better(own, "MB", (DEFAULT,), *VALIDATION)
            ),
        },
    ),
    Statement(
        "Section 1",
        "the approach suits a broad class of networks and of other machine learning",
        why="one network was trained",
    ),
    Statement(
        "Section 3.2",
        "entropy gives more diverse base values than the loss",
        why="the paper does not say by what measure, and no run keeps the base values of all examples",
    ),
)
_PERSISTENT = (
    Statement(
        "Section 4.2.1",
        "PEB beats PLB in accuracy and loss in validation throughout",
        better("PEB", "PLB", (DEFAULT,), *VALIDATION, moment="throughout"),
    ),
    Statement(
        "Section 4.2.1",
        "PEB's loss is steadier, and lower just after pre-training and at the end",
        (
            *steadier("PEB", DEFAULT, "loss/val", other="PLB"),
            *better("PEB", "PLB", (DEFAULT,), "loss/val", moment="first"),
            *better("PEB", "PLB", (DEFAULT,), "loss/val"),
        ),
    ),
    Statement(
        "Section 4.2.1",
        "PLB and PEB begin fine-tuning with similar accuracy; PEB ends higher",
        (
            *alike("PEB", (DEFAULT,), "acc/val", other="PLB", moment="first"),
            *better("PEB", "PLB", (DEFAULT,), "acc/val"),
        ),
    ),
)
_PRE_TRAINING = (
    *_parts(
        "Section 4.2.2", "PEB beats all other methods in final accuracy and loss", _against_both(LENGTHS, *METRICS)
    ),
    _printed("Section 4.2.2", "final training accuracy of PEB above MB's, on average, about", "acc/train", LENGTHS),
    _printed("Section 4.2.2", "final validation accuracy of PEB above MB's, on average, about", "acc/val", LENGTHS),
    _printed("Section 4.2.2", "training loss of PEB below MB's", "loss/train", LENGTHS, -1),
    _printed("Section 4.2.2", "validation loss of PEB below MB's", "loss/val", LENGTHS, -1),
    Statement(
        "Section 4.2.2",
        "the bands of PEB and MB overlap in no plot",
        tuple(Bands("PEB", "MB", LENGTHS, METRICS, throughout) for throughout in (False, True)),
    ),
    Statement(
        "Section 4.2.2",
        "LB's accuracy is close to MB's; its losses are much higher, most in validation",
        _of_lb(1, 2),
    ),
    *_parts(
        "Section 4.2.2",
        "final results hardly depend on the length of pre-training",
        {"MB and PEB": (*_same_end("MB"), *_same_end("PEB")), "LB": _same_end("LB")},
    ),
    Statement(
        "Section 4.2.2",
        "the sooner pre-training ends, the steeper the curves, above all PEB's",
        (
            *(
                test
                for sooner, later in zip(LENGTHS[:-1], LENGTHS[1:], strict=True)
                for test in better_in(sooner, later, "PEB", *VALIDATION, moment="mean")
            ),
            Test("PEB", "acc/val", (NONE,), low=0.0, other="MB", against=FIVE, moment="mean"),
            Test("PEB", "loss/val", (NONE,), high=0.0, other="MB", against=FIVE, moment="mean"),
        ),
    ),
    Statement(
        "Section 4.2.2",
        "it may be best to leave out the pre-training",
        tuple(test for length in LENGTHS[1:] for test in better_in(NONE, length, "PEB", *VALIDATION, moment="mean")),
    ),
    *_parts(
        "Section 4.2.2",
        "PEB improves on MB from the start of fine-tuning in every metric; LB does not",
        {
            "PEB against MB": better("PEB", "MB", LENGTHS, *METRICS, moment="first"),
            "LB less than PEB": better("PEB", "LB", LENGTHS, *METRICS, moment="first"),
        },
    ),
)
_MINI_BATCHES = (
    Statement(
        "Section 4.2.3",
        "larger mini-batches bring the stored base values nearer to the true ones",
        _misplaced_less((LARGE_BATCH, DEFAULT), (DEFAULT, SMALL_BATCH)),
    ),
    Statement(
        "Section 4.2.3",
        "the smaller the mini-batch, the faster all metrics change",
        tuple(
            test
            for smaller, larger in zip(BATCHES[:-1], BATCHES[1:], strict=True)
            for test in better_in(smaller, larger, "MB", *METRICS, moment="begin")
        ),
    ),
    Statement(
        "Section 4.2.3",
        "mini-batch size at which MB slightly overfits and PEB does not",
        (
            Test("MB", "loss/val", (SMALL_BATCH,), low=lb_statements.OVERFIT, moment="rise"),
            Test("PEB", "loss/val", (SMALL_BATCH,), high=lb_statements.OVERFIT, moment="rise"),
        ),
    ),
    Statement(
        "Section 4.2.3",
        "LB's loss at mini-batches of 4 is much larger from the start of fine-tuning",
        _of_lb(3),
    ),
    *_parts(
        "Section 4.2.3",
        "mini-batch sizes at which PEB beats the others: 4 and 32",
        _against_both((SMALL_BATCH, DEFAULT), *VALIDATION),
    ),
    *_parts(
        "Section 4.2.3",
        "mini-batch size at which all methods are similar and LB has the highest accuracy",
        {"PEB and MB": alike("PEB", (LARGE_BATCH,), *METRICS, other="MB"), "LB": _of_lb(4)},
    ),
    *_parts(
        "Section 4.2.3",
        "at mini-batches of 1024, LB and PEB improve slightly on MB",
        {method: better(method, "MB", (LARGE_BATCH,), *ACCURACIES) for method in ("PEB", "LB")},
    ),
    Statement(
        "Section 4.2.3", "PEB improves on MB at every mini-batch size", better("PEB", "MB", BATCHES, *VALIDATION)
    ),
    Statement(
        "Section 4.2.3",
        "mini-batch size of the best result, PEB's",
        (
            *better_in(DEFAULT, SMALL_BATCH, "PEB", *VALIDATION),
            *better_in(DEFAULT, LARGE_BATCH, "PEB", *VALIDATION),
            *better("PEB", "MB", (DEFAULT,), *VALIDATION),
        ),
    ),
    _printed(
        *("Section 4.2.3", "validation accuracy of PEB above MB's at mini-batches of 32, more than", "acc/val"),
        (DEFAULT,),
    ),
    Statement(
        "Section 4.2.3",
        "mini-batch size of the steadiest training",
        tuple(
            test for size in (SMALL_BATCH, LARGE_BATCH) for test in steadier("PEB", DEFAULT, *VALIDATION, against=size)
        ),
    ),
    Statement(
        "Section 4.2.3",
        "training is far from finished at mini-batches of 32 and 1024",
        _unfinished(DEFAULT, LARGE_BATCH),
    ),
)
_LEARNING_RATE = (
    Statement(
        "Section 4.2.4",
        "a higher learning rate can make the stored base values less accurate",
        _misplaced_less((DEFAULT, LARGE_RATE)),
    ),
    *_parts(
        "Section 4.2.4",
        "a smaller learning rate converges more slowly and with less variance",
        {
            "more slowly": (*_slower("MB"), *_slower("PEB")),
            "with less variance": tuple(
                test
                for method in ("MB", "PEB")
                for rate, higher in _SLOWER
                for test in steadier(method, rate, *VALIDATION, against=higher)
            ),
        },
    ),
    *_parts(
        "Section 4.2.4",
        "at 0.1, PEB beats MB less clearly than at 0.05",
        {
            "PEB beats MB": better("PEB", "MB", (LARGE_RATE,), *VALIDATION),
            "less clearly": (
                Test("PEB", "acc/val", (LARGE_RATE,), high=0.0, other="MB", against=DEFAULT),
                Test("PEB", "loss/val", (LARGE_RATE,), low=0.0, other="MB", against=DEFAULT),
            ),
        },
    ),
    Statement("Section 4.2.4", "at 0.1 and 0.05, LB is near MB in training and worse in validation", _of_lb(5)),
    *_parts(
        "Section 4.2.4",
        "at the smallest learning rate, PEB and LB have higher accuracy than MB and similar loss, PEB slightly ahead",
        {
            "PEB": (
                *better("PEB", "MB", (SMALL_RATE,), *ACCURACIES),
                *alike("PEB", (SMALL_RATE,), "loss/train", "loss/val", other="MB"),
            ),
            "LB": (*_of_lb(6), *better("PEB", "LB", (SMALL_RATE,), *ACCURACIES)),
        },
    ),
    Statement(
        "Section 4.2.4",
        "at the smallest learning rate, every metric of every method varies least",
        tuple(
            test
            for method in ("MB", "PEB")
            for rate in RATES[:-1]
            for test in steadier(method, SMALL_RATE, *METRICS, against=rate)
        ),
        "MB and PEB",
    ),
    Statement("Section 4.2.4", "at the smallest learning rate, training is far from finished", _unfinished(SMALL_RATE)),
    *_parts(
        "Section 4.2.4",
        "the best result is PEB's at the highest learning rate, and it is less steady",
        {
            "best": (
                *(test for rate in RATES[1:] for test in better_in(LARGE_RATE, rate, "PEB", *VALIDATION)),
                *better("PEB", "MB", (LARGE_RATE,), *VALIDATION),
            ),
            "less steady": tuple(
                test for rate in RATES[1:] for test in steadier("PEB", rate, *VALIDATION, against=LARGE_RATE)
            ),
        },
    ),
)
_CONCLUSIONS = (
    *_parts(
        "Section 5",
        "PEB beats MB and LB in most experiments, whatever the length of pre-training",
        _against_both(EVERY, *VALIDATION),
        most=True,
    ),
    Statement(
        "Section 5",
        "PEB has higher accuracy and lower loss than MB throughout, whatever the length of pre-training",
        better("PEB", "MB", LENGTHS, *VALIDATION, moment="throughout"),
    ),
    Statement(
        "Section 5",
        "stored base values are not accurate at all times",
        (Test("PEB", "misplaced", (DEFAULT,), low=INACCURATE, moment="mean"),),
    ),
)
STATEMENTS = (*_SECTION_1, *_PERSISTENT, *_PRE_TRAINING, *_MINI_BATCHES, *_LEARNING_RATE, *_CONCLUSIONS)
"""Every result that paper A states, in its order."""
