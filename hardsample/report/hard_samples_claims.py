"""What paper B says of its results, statement by statement, as the tests that it comes to on one of its data sets.

Place and words are those of ``published``; so are the numbers. A general statement is judged of ResNet-18, and of all
of the paper's networks together. Its changes in % are of the new value, as its tables count them. "Similar" is within
half a point of accuracy, "considerably" by more than 5 % of e; both bounds are ours, and were set before the tests were
first run.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

from hardsample.experiments import hard_samples, published
from hardsample.report.claim_tests import Statement, Test, alike, better
from hardsample.report.lb_statements import SIMILAR
from hardsample.training.networks import TITLES

PAPER = hard_samples.PAPER
CLAIMS = f"{PAPER}-claims"  # in ``published``
REMARKS = {
    "random δ = 0.5": "random δ: as many mini-batches a round, drawn without a look at the loss",
    "random δ = 0.2": "random δ: as many mini-batches a round, drawn without a look at the loss",
}
NOTES = (
    "Epochs of convergence are compared as ratios, too. The paper does not say when a loss has converged: here it has"
    " from the evaluation on from which it stays within 5 % of its whole fall from its last value. A training that has"
    " not converged counts as one evaluation after its last, and a printed number is tested only where all have."
    " Changes in % of the new value are counted as the paper's tables count them. δ = 1 keeps its mini-batches and"
    " their order, as Algorithm 1 has them.",
)
"""What is to be known of the tests."""

Tests = tuple[Test, ...]
DATA = CIFAR_10, CIFAR_100, STL_10 = tuple(hard_samples.SLOTS)
ONE, LARGE, HALF, SMALL = (f"δ = {delta:g}" for delta in hard_samples.DELTAS)
EVERY = (ONE, LARGE, HALF, SMALL)
NETWORKS = tuple(TITLES.values())
RESNET = TITLES["resnet18"]
EFFICIENT = TITLES["efficientnet_b4"], TITLES["efficientnet_v2_s"]
MOBILE = TITLES["mobilenet_v3_small"]
CONSIDERABLY = -SIMILAR  # % of e


def statements(slot: str) -> tuple[Statement, ...]:
    """Every result that the paper states, in its order, with tests where it is of the data set in that slot."""
    said = {}
    for slots, statement in SAID:
        if slot in slots:
            said[statement.place, statement.claim, statement.aspect] = statement
        else:
            why = f"it is of {' and '.join(slots)}"
            said[statement.place, statement.claim, ""] = Statement(statement.place, statement.claim, why=why)
    return tuple(said.values())


def _sooner(methods: Sequence[str], *others: str, networks: Sequence[str] = (RESNET,), high: float = 0.0) -> Tests:
    """In each network: an earlier epoch of convergence than each of the others."""
    return tuple(
        Test(method, "loss/train", (network,), high=high, other=other, moment="converged")
        for network in networks
        for method in methods
        for other in others
    )


def _above(methods: Sequence[str], networks: Sequence[str] = (RESNET,)) -> Tests:
    """In each network: higher test accuracy at the end than δ = 1."""
    return tuple(test for method in methods for test in better(method, ONE, tuple(networks), "acc/val"))


def _alike(metric: str, networks: Sequence[str] = (RESNET,)) -> Tests:
    """In each network: an accuracy at the end within half a point of that of δ = 1."""
    return tuple(test for method in EVERY[1:] for test in alike(method, tuple(networks), metric, other=ONE))


def _against_networks(methods: Sequence[str], one: str, others: Sequence[str], **bound: float) -> Tests:
    """A network's test accuracy beside that of each of the others."""
    return tuple(
        Test(method, "acc/val", (one,), against=other, **bound)
        for method in methods
        for other in others
        if other != one
    )


def _by_the_loss(make: Callable[[str, str], Tests]) -> Tests:
    """Each δ that has one, against as many mini-batches drawn without a look at the loss."""
    return tuple(test for method in (HALF, SMALL) for test in make(method, f"random {method}"))


def _parts(slots: Sequence[str], place: str, claim: str, aspects: Mapping[str, Tests]):
    """A sentence of several parts, which are judged alone."""
    for aspect, tests in aspects.items():
        yield slots, Statement(place, claim, tests, aspect)


def _of_networks(
    slots: Sequence[str], claim: str, make: Callable[[Sequence[str]], Tests], aspect: str = "", all_of: str = "most"
):
    """A sentence of section 4.4 on several networks: of ResNet-18, and of ``all_of`` them or most."""
    for words, networks in ((RESNET, (RESNET,)), (f"{all_of} networks", NETWORKS)):
        tests, most = make(networks), all_of == "most" and len(networks) > 1
        yield slots, Statement("Section 4.4", claim, tests, ", ".join(filter(None, (aspect, words))), most)


def _printed(slot: str, place: str, claim: str, test: Test, sign: int, *, of_new: bool = True):
    """That a change is the printed number, to its last digit; ``sign`` is -1 for a fall."""
    value = published.text(CLAIMS).set_index(["place", "claim"]).loc[(place, claim), "value"]
    half = 0.5 * 10.0 ** -len(value.partition(".")[2])
    low, high = sorted(sign * (float(value) + side * half) for side in (-1, 1))
    own = dict(vars(test)) | {"low": low, "high": high, "printed": True, "of_new": of_new, "other": ONE}
    return (slot,), Statement(place, claim, (Test(**own),))


def _why(slots: Sequence[str], place: str, claim: str, why: str):
    return slots, Statement(place, claim, why=why)


_E = Test(SMALL, "loss/train", (RESNET,), moment="converged")
_ACCURACY = Test(SMALL, "acc/val", (RESNET,))
_ABSTRACT = (
    _printed(
        *(STL_10, "Abstract", "fewer epochs until it generalizes than δ = 1, EfficientNet-B4 on STL-10"),
        Test(HALF, "loss/train", EFFICIENT[:1], moment="converged"),
        -1,
    ),
    _printed(CIFAR_100, "Abstract", "test top-1 above δ = 1, ResNet-18 on CIFAR-100", _ACCURACY, 1),
    *_parts(
        DATA,
        "Abstract",
        "a smaller δ generally keeps the test accuracy and generalizes sooner",
        {"test accuracy": _alike("acc/val"), "sooner": _sooner(EVERY[1:], ONE)},
    ),
    *_parts(
        DATA,
        "Abstract",
        "focusing on mini-batches of high loss significantly improves test accuracy and speeds up convergence",
        {
            "test accuracy": _above((HALF, SMALL)),
            "convergence": _sooner((HALF, SMALL), ONE),
            "test accuracy, by the choice of high loss": _by_the_loss(
                lambda own, other: better(own, other, (RESNET,), "acc/val")
            ),
        },
    ),
)
_TRAINING = (
    *_parts(
        (CIFAR_10,),
        "Section 1",
        "other values of δ than 1 converge faster, ResNet-18 on CIFAR-10 (Figure 1)",
        {
            "epoch e": _sooner(EVERY[1:], ONE),
            "train loss along the training": tuple(
                test for method in EVERY[1:] for test in better(method, ONE, (RESNET,), "loss/train", moment="mean")
            ),
        },
    ),
    _printed(CIFAR_10, "Section 1", "faster convergence of δ = 0.2, ResNet-18 on CIFAR-10 (Figure 1)", _E, -1),
    (
        DATA,
        Statement(
            "Section 1",
            "the number of back-propagations is the same for every δ",
            tuple(Test(own, "updates", (RESNET,), -0.5, 0.5, ONE, absolute=True) for own in EVERY[1:]),
        ),
    ),
    *_parts(
        DATA,
        "Section 3.2",
        "training the hard mini-batches more makes a network converge faster",
        {
            "epoch e": _by_the_loss(lambda own, other: _sooner((own,), other)),
            "train loss along the training": _by_the_loss(
                lambda own, other: better(own, other, (RESNET,), "loss/train", moment="mean")
            ),
        },
    ),
)
_CIFAR_10 = (
    *_parts(
        *((CIFAR_10,), "Table 3", "train top-1 hardly differs between the values of δ"),
        {RESNET: _alike("acc/train")},
    ),
    *_of_networks(
        (CIFAR_10,),
        "Table 3: smaller δ generally converges sooner with potentially similar accuracy",
        lambda networks: tuple(
            test for higher, lower in itertools.pairwise(EVERY) for test in _sooner((lower,), higher, networks=networks)
        ),
        "sooner",
    ),
    *_of_networks(
        (CIFAR_10,),
        "Table 3: smaller δ generally converges sooner with potentially similar accuracy",
        lambda networks: _alike("acc/val", networks),
        "similar accuracy",
    ),
    _printed(
        *(CIFAR_10, "Section 4.4", "Table 3: decrease in convergence time from δ = 1 to 0.2, ResNet-18"),
        _E,
        -1,
    ),
    _printed(
        *(CIFAR_10, "Section 4.4", "Table 3: decrease in test accuracy from δ = 1 to 0.2, ResNet-18"),
        _ACCURACY,
        -1,
        of_new=False,
    ),
    (
        (CIFAR_10,),
        Statement(
            "Section 4.4",
            "Table 3: increase in test accuracy from δ = 1 to 0.2, EfficientNet-B4",
            _above((SMALL,), EFFICIENT[:1]),
        ),
    ),
    (
        (CIFAR_10,),
        Statement(
            "Section 4.4",
            "Table 3: values of δ at which EfficientNet-B4 has the lowest test top-1 (all)",
            _against_networks(EVERY, EFFICIENT[0], NETWORKS, high=0.0),
        ),
    ),
    (
        (CIFAR_10,),
        Statement(
            "Section 4.4",
            "Table 3: values of δ named at which ResNet-18 has the highest test top-1 (1 and 0.8)",
            _against_networks((ONE, LARGE), RESNET, NETWORKS, low=0.0),
        ),
    ),
)
_CIFAR_100 = (
    *_of_networks(
        (CIFAR_100,),
        "Table 4: test top-1 higher at δ = 0.2 and 0.5 than at 1",
        lambda networks: _above((HALF, SMALL), networks),
        all_of="all",
    ),
    *_of_networks(
        (CIFAR_100,),
        "Table 4: e lower at δ = 0.2 and 0.5 than at 1",
        lambda networks: _sooner((HALF, SMALL), ONE, networks=networks),
        all_of="all",
    ),
    *_of_networks(
        (CIFAR_100,),
        "Table 4: networks with a lower e at δ = 0.2 than at 1 (all)",
        lambda networks: _sooner((SMALL,), ONE, networks=networks),
        all_of="all",
    ),
    (
        (CIFAR_100,),
        Statement(
            "Section 4.4",
            "Table 4: EfficientNet and MobileNet gain considerably in convergence",
            _sooner((SMALL,), ONE, networks=(*EFFICIENT, MOBILE), high=CONSIDERABLY),
        ),
    ),
    (
        (CIFAR_100,),
        Statement(
            "Section 4.4",
            "Table 4: MobileNet does poorly beside the others",
            _against_networks(EVERY, MOBILE, NETWORKS, high=0.0),
        ),
    ),
)
_NAMED = (RESNET, TITLES["resnet50"], EFFICIENT[0])
_STL_10 = (
    (
        (STL_10,),
        Statement(
            "Section 4.4",
            "Table 5: networks named for which the method converges sooner",
            _sooner((HALF,), ONE, networks=_NAMED),
        ),
    ),
    (
        (STL_10,),
        Statement(
            "Section 4.4",
            "Table 5: networks among those named with the lowest e at δ = 0.5",
            _sooner((HALF,), ONE, LARGE, SMALL, networks=_NAMED),
        ),
    ),
    *_of_networks(
        (CIFAR_10, CIFAR_100),
        "Tables 3 and 4: networks with the lowest e at δ = 0.2",
        lambda networks: _sooner((SMALL,), ONE, LARGE, HALF, networks=networks),
        all_of="all",
    ),
    *_of_networks(
        (STL_10,),
        "Table 5: e lower at δ = 0.5 than at 0.2",
        lambda networks: _sooner((HALF,), SMALL, networks=networks),
        all_of="all",
    ),
    (
        (STL_10,),
        Statement("Section 4.4", "Table 5: results of MobileNet are marginal", _alike("acc/val", (MOBILE,))),
    ),
)
_TOGETHER = (
    (
        (CIFAR_10, CIFAR_100),
        Statement(
            "Section 4.4",
            "Figures 3 and 4: δ = 0.2 reaches generalization first",
            tuple(
                Test(SMALL, "acc/val", (RESNET,), high=0.0, other=other, moment="reach") for other in (ONE, LARGE, HALF)
            ),
        ),
    ),
    _why(
        DATA,
        "Section 4.4",
        "Table 6: cells in which the method has the higher test top-1",
        "it counts the cells of five networks on three data sets",
    ),
    _why(DATA, "Section 4.4", "Table 6: average increase", "it is of five networks on three data sets"),
    _printed(CIFAR_100, "Section 4.4", "Table 6: greatest increase, ResNet-18 on CIFAR-100", _ACCURACY, 1),
    *_of_networks(
        DATA,
        "Tables 3 to 5: test top-1 higher at δ = 0.2 and 0.5 than at 1, generally",
        lambda networks: _above((HALF, SMALL), networks),
    ),
    *_of_networks(
        DATA,
        "Tables 3 to 5: e lower at δ = 0.2 and 0.5 than at 1, generally",
        lambda networks: _sooner((HALF, SMALL), ONE, networks=networks),
    ),
    (
        DATA,
        Statement(
            "Section 4.4",
            "Tables 3 to 5: test top-1 of EfficientNet above MobileNet's",
            tuple(test for one in EFFICIENT for test in _against_networks(EVERY, one, (MOBILE,), low=0.0)),
        ),
    ),
    _why(
        DATA,
        "Section 4.4",
        "the number of mini-batches decides which δ converges first",
        "no two trainings were run that differ in this number alone",
    ),
    _why(
        DATA,
        "Section 5",
        "the method suits any network and any task that is trained by back-propagation",
        "images are classified here, by the networks above",
    ),
)
SAID = (*_ABSTRACT, *_TRAINING, *_CIFAR_10, *_CIFAR_100, *_STL_10, *_TOGETHER)
"""Every result that the paper states, in its order, each with the data sets that it is of."""
