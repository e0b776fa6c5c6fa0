"""The networks: their size, what makes them the papers' own, their initialisation, their cohort."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.networks import IN_TIMM
from hardsample.errors import InputError
from hardsample.training import networks
from hardsample.training.cohort import Cohort
from hardsample.training.letters_cnn import LettersCNN

CPU = torch.device("cpu")
IMAGES = torch.randint(0, 256, (3, 6, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_paper_a_s_parameter_count():
    assert sum(parameter.numel() for parameter in LettersCNN(26).parameters()) == 1_201_946


def test_narrow_networks_take_what_the_papers_take():
    assert networks.parameters("narrow-letters-cnn", 26) == 28_602
    letters = networks.build("narrow-letters-cnn", 26, 1)
    masks = [torch.ones(2, *shape, dtype=torch.bool) for _, shape in letters.dropout]
    assert letters(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), masks).shape == (2, 26)
    for shape, size in (((2, 3, 16, 16), None), ((2, 1, 28, 28), 16), ((2, 3, 33, 33), None)):
        images = torch.randint(256, shape, dtype=torch.uint8)
        network = networks.build("narrow-resnet", 10, 1, size).eval()
        assert network(images).shape == (2, 10)
    for block in network.blocks:
        assert (block.second[1].weight == 0).all()  # so that a block begins as the way past it


@pytest.mark.parametrize("network", ["letters-cnn", "narrow-letters-cnn"])
def test_pixels_standardised_are_pixels_less_the_mean_by_the_deviation(network):
    """The first convolution can do the same by its weights: w / sd, and a bias less by mean / sd times their sum."""
    one, other = (networks.build(network, 26, 1).eval() for _ in range(2))
    one.moments = mean, deviation = 0.2, 0.5
    with torch.no_grad():
        first = other.convolution_1
        first.weight.div_(deviation)
        first.bias.sub_(mean * first.weight.sum((1, 2, 3)))
        torch.testing.assert_close(one(IMAGES[0]), other(IMAGES[0]), rtol=1e-4, atol=1e-5)
    assert one.state_dict().keys() == other.state_dict().keys()


def test_the_network_computes_what_its_layers_say():
    """Section 4.1's order of layers, written out: ReLU before the pooling, one image at a time."""
    module = networks.build("letters-cnn", 26, 1)
    keep = torch.rand(6, 12, 12, 64) > 0.25, torch.rand(6, 128) > 0.5
    x = F.relu(module.convolution_1(IMAGES[0] / 255))
    x = F.max_pool2d(F.relu(module.convolution_2(x)), 2).permute(0, 2, 3, 1)
    dropped = (x * keep[0] / 0.75).flatten(1)
    hidden = F.relu(module.linear_1(dropped)) * keep[1] / 0.5
    torch.testing.assert_close(module(IMAGES[0], keep), module.linear_2(hidden))
    plain = module.linear_2(F.relu(module.linear_1(x.flatten(1))))
    torch.testing.assert_close(module(IMAGES[0]), plain)


def test_initialisation_is_the_seeds_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (networks.build("letters-cnn", 26, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.linear_1.weight, again.linear_1.weight)
    assert not torch.equal(first.linear_1.weight, other.linear_1.weight)


def test_a_cohort_computes_what_its_members_do():
    cohort = Cohort("letters-cnn", 26, [1, 2, 3], CPU, "float32")
    masks = cohort.masks(4, 6)
    together = cohort.logits(IMAGES, masks, training=True)
    labels = torch.arange(6)
    shared = cohort.evaluate(IMAGES[0], labels)
    for place, seed in enumerate((1, 2, 3)):
        alone = Cohort("letters-cnn", 26, [seed], CPU, "float32")
        own = alone.masks(4, 6)
        assert all(torch.equal(mask[place], mine[0]) for mask, mine in zip(masks, own, strict=True))
        logits = alone.logits(IMAGES[place : place + 1], own, training=True)
        torch.testing.assert_close(logits[0], together[place], rtol=1e-4, atol=1e-5)
        for one, all_ in zip(alone.evaluate(IMAGES[0], labels), shared, strict=True):
            torch.testing.assert_close(one[0], all_[place], rtol=1e-4, atol=1e-5)


def test_a_cohort_s_gradients_lie_in_memory_as_its_weights_do():
    """Else multi-tensor updates leave their fast path on a GPU."""
    cohort = Cohort("letters-cnn", 26, [1, 2], torch.device("cpu"), "float32")
    logits = cohort.logits(torch.zeros(2, 3, 1, 28, 28, dtype=torch.uint8), training=True)
    gradients = torch.autograd.grad(logits.sum(), cohort.parameters)
    linear = {name: gradient for name, gradient in zip(cohort.tensors, gradients, strict=True) if "linear" in name}
    assert len(linear) == 4 and all(gradient.is_contiguous() for gradient in linear.values())


def test_scores_are_the_same_in_parts():
    cohort, labels = Cohort("letters-cnn", 26, [1], CPU, "float32"), torch.arange(6)
    whole = cohort.evaluate(IMAGES[0], labels)
    for one, other in zip(cohort.evaluate(IMAGES[0], labels, at_once=4), whole, strict=True):
        torch.testing.assert_close(one, other)


def test_bf16_computes_nearly_the_same():
    exact, rough = (Cohort("letters-cnn", 26, [1], CPU, precision) for precision in ("float32", "bf16"))
    a, b = (cohort.logits(IMAGES[:1], training=False) for cohort in (exact, rough))
    assert b.dtype == torch.float32 and not torch.equal(a, b)
    torch.testing.assert_close(a, b, atol=0.05, rtol=0.05)


@pytest.mark.slow
def test_in_bf16_a_cohort_computes_its_convolutions_in_bf16_too():
    """As one network alone does: under vmap autocast does not reach them."""
    together = Cohort("letters-cnn", 26, [1, 2], CPU, "bf16")
    masks = together.masks(0, 6)
    with Convolutions() as seen:
        logits = together.logits(IMAGES[:2], masks, training=True)
        logits.sum().backward()
    assert len(seen.dtypes) == 4 and set(seen.dtypes) == {torch.bfloat16}
    for place, seed in enumerate((1, 2)):
        alone = Cohort("letters-cnn", 26, [seed], CPU, "bf16")
        own = alone.logits(IMAGES[place : place + 1], alone.masks(0, 6), training=True)
        torch.testing.assert_close(logits[place], own[0], atol=5e-3, rtol=0)


class Convolutions(TorchDispatchMode):
    """The types of the images that convolutions are given, forward and backward."""

    def __init__(self):
        super().__init__()
        self.dtypes = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if "convolution" in str(function):
            self.dtypes.append(args[0].dtype)
        return function(*args, **(kwargs or {}))


def test_an_unknown_network_is_refused():
    with pytest.raises(
        InputError, match="unknown network 'resnet' .did you mean resnet18 or resnet50..: choose one of letters-cnn"
    ):
        networks.build("resnet", 26, 1)


COUNTS = {  # for 10 classes: parameters, and 10^6 FLOPs at 128x128
    "resnet18": (11_181_642, 1184),
    "resnet50": (23_528_522, 2669),
    "efficientnet_b4": (17_566_546, 985),
    "efficientnet_v2_s": (20_190_298, 1865),
    "mobilenet_v3_small": (1_528_106, 37),
}


@pytest.mark.slow
@pytest.mark.parametrize("network", networks.TITLES)
def test_paper_b_s_networks(network):
    parameters, megaflops = COUNTS[network]
    assert networks.parameters(network, 10) == parameters
    assert networks.flops(network, 10, 128) // 10**6 == megaflops
    module = networks.build(network, 100, 1)
    last = list(module.parameters())[-1]
    assert last.shape == (100,)
    assert sum(p.numel() for p in module.parameters()) == parameters + 90 * (list(module.parameters())[-2].shape[1] + 1)
    norms = [m for m in module.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and {(m.eps, m.momentum) for m in norms} == {(1e-5, 0.1)}
    dropouts = [m.p for m in module.modules() if "Dropout" in type(m).__name__ or "Depth" in type(m).__name__]
    assert set(dropouts) <= {0.0}
    if network.startswith("resnet"):
        blocks = [m for m in module.modules() if type(m).__name__ in ("BasicBlock", "Bottleneck")]
        assert blocks
        for block in blocks:
            last = block.bn3 if hasattr(block, "bn3") else block.bn2
            assert not last.weight.any() and block.bn1.weight.all()


def colour(n: int, size: int) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
def test_images_are_resized_and_normalised_as_torchvision_does():
    from hardsample.data.torchvision_compat import import_torchvision

    transforms = import_torchvision("torchvision.transforms.v2")
    images, seen = colour(2, 32), []
    for size, given in ((48, images), (24, images), (None, images), (40, images[:, :1])):
        module = networks.build("mobilenet_v3_small", 10, 1, size).eval()
        module.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        module(given)
        wanted = given.expand(-1, 3, -1, -1).float() / 255
        if size:
            wanted = transforms.Resize((size, size), antialias=True)(wanted)
        wanted = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(wanted)
        torch.testing.assert_close(seen.pop(), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_cohort_of_networks_with_batch_normalisation_computes_what_its_members_do():
    images, labels = colour(8, 32), torch.arange(8)
    together = Cohort("resnet18", 10, [1, 2], CPU, "float32")
    for _ in range(2):
        logits = together.logits(images, training=True)
    scores = together.evaluate(images, labels)
    for place, seed in enumerate((1, 2)):
        alone = Cohort("resnet18", 10, [seed], CPU, "float32")
        for _ in range(2):
            own = alone.logits(images, training=True)
        torch.testing.assert_close(own[0], logits[place], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(alone.evaluate(images, labels)[1][0], scores[1][place], rtol=1e-3, atol=1e-3)


def test_batch_statistics_are_those_of_the_images_at_once_and_leave_the_network_as_it_was():
    cohort, images, labels = Cohort("resnet18", 10, [1], CPU, "float32"), colour(8, 32), torch.arange(8)
    before = {name: tensor.clone() for name, tensor in cohort.tensors.items()}
    logits, _ = cohort.evaluate(images, labels, statistics="batch", at_once=4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in cohort.tensors.items())
    halves = [cohort.logits(half, training=True)[0] for half in images.split(4)]
    torch.testing.assert_close(logits[0], torch.cat(halves))
    assert not torch.allclose(cohort.evaluate(images, labels, statistics="running")[0], logits)


@pytest.mark.parametrize(
    "network, shape, message",
    [
        ("letters-cnn", (3, 32, 32), "letters-cnn takes images of 1x28x28, and these are 3x32x32"),
        ("vgg", (3, 32, 32), "unknown network 'vgg'"),
    ],
)
def test_images_that_do_not_fit_are_refused(network, shape, message):
    with pytest.raises(InputError, match=message):
        networks.check_images(network, shape)
    networks.check_images("resnet18", (1, 28, 28))


def test_the_letters_cnn_has_a_size_of_its_own():
    with pytest.raises(InputError, match="image_size is 64, but letters-cnn takes images of 28x28 alone"):
        networks.build("letters-cnn", 26, 1, 64)


# By kind of layer: a layer's name, and the standard deviation of its weights under timm's rule, by hand.
DRAWN = {
    "efficientnet_b4": {
        "stem": ("features.0.0", (2 / (9 * 48)) ** 0.5),
        "ordinary": ("features.2.0.block.0.0", (2 / 144) ** 0.5),
        "depthwise": ("features.2.0.block.1.0", (2 / 9) ** 0.5),
        "depthwise 5x5": ("features.3.0.block.1.0", (2 / 25) ** 0.5),
        "squeeze": ("features.7.1.block.2.fc1", (2 / 112) ** 0.5),
        "excitation": ("features.7.1.block.2.fc2", (2 / 2688) ** 0.5),
        "head": ("features.8.0", (2 / 1792) ** 0.5),
        "classifier": ("classifier.1", (1 / 30) ** 0.5),
    },
    "efficientnet_v2_s": {
        "stem": ("features.0.0", (2 / (9 * 24)) ** 0.5),
        "ordinary 3x3": ("features.2.0.block.0.0", (2 / (9 * 96)) ** 0.5),
        "depthwise": ("features.4.0.block.1.0", (2 / 9) ** 0.5),
        "squeeze": ("features.6.14.block.2.fc1", (2 / 64) ** 0.5),
        "excitation": ("features.6.14.block.2.fc2", (2 / 1536) ** 0.5),
        "head": ("features.7.0", (2 / 1280) ** 0.5),
        "classifier": ("classifier.1", (1 / 30) ** 0.5),
    },
    "mobilenet_v3_small": {
        "stem": ("features.0.0", (2 / (9 * 16)) ** 0.5),
        "ordinary": ("features.8.block.0.0", (2 / 144) ** 0.5),
        "depthwise 5x5": ("features.8.block.1.0", (2 / 25) ** 0.5),
        "squeeze": ("features.11.block.2.fc1", (2 / 144) ** 0.5),
        "excitation": ("features.11.block.2.fc2", (2 / 576) ** 0.5),
        "convolution of the head": ("classifier.0", (2 / 1024) ** 0.5),
        "classifier": ("classifier.3", (1 / 30) ** 0.5),
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("network", DRAWN)
def test_weights_are_drawn_by_timm_s_rule_or_by_torchvision_s(network):
    module, other = (networks.build(network, 10, 1, initialization=name).network for name in ("timm", "torchvision"))
    for kind, (name, wanted) in DRAWN[network].items():
        assert deviation(module.get_submodule(name).weight) == pytest.approx(wanted, rel=far(module, name)), kind
        apart = deviation(other.get_submodule(name).weight) / wanted
        channels = getattr(module.get_submodule(name), "groups", 1)
        if channels > 1:
            assert apart == pytest.approx(channels**-0.5, rel=far(module, name))
    limit = module.get_submodule(name).weight.abs().max()
    assert 0.99 * 10**-0.5 < limit <= 10**-0.5  # the last one is the classifier, uniform for 10 classes
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert (layer.weight == 1).all()
        if getattr(layer, "bias", None) is not None:
            assert not layer.bias.any()


def deviation(weight: torch.Tensor) -> float:
    """Root mean square."""
    return weight.detach().double().square().mean().sqrt().item()


def far(module: torch.nn.Module, name: str) -> float:
    """Five standard errors of the deviation of so many numbers."""
    return 5 / (2 * module.get_submodule(name).weight.numel()) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("network", ["letters-cnn", "resnet18", "resnet50"])
def test_networks_with_one_initialisation_ignore_whose_it_is_and_their_runs_do_not_name_it(network):
    one, other = (networks.build(network, 10, 1, initialization=name) for name in ("timm", "torchvision"))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    networks.check_initialization(network, "torchvision")
    with pytest.raises(InputError, match=f"initialization is 'timm', but {network} has one initialisation alone: leav"):
        networks.check_initialization(network, "timm")
    networks.check_initialization("efficientnet_b4", "timm")
    with pytest.raises(InputError, match="unknown initialization 'tf': choose one of torchvision, timm"):
        networks.build(network, 10, 1, initialization="tf")


@pytest.mark.slow
@pytest.mark.parametrize("network", networks.TITLES)
def test_the_initialisation_is_timm_s_own_layer_by_layer(network):
    ours = networks.build(network, 10, 1).network  # which imports torchvision in the way that it can be
    theirs = pytest.importorskip("timm").create_model(IN_TIMM[network], num_classes=10)
    kinds = torch.nn.Conv2d, torch.nn.Linear, torch.nn.BatchNorm2d
    layers, others = (sorted_layers(module, kinds) for module in (ours, theirs))
    for layer, other in zip(layers, others, strict=True):
        assert layer.weight.numel() == other.weight.numel(), (layer, other)
        if layer.weight.numel() > 1 and not isinstance(layer, torch.nn.BatchNorm2d):
            error = 7 / layer.weight.numel() ** 0.5
            assert deviation(layer.weight) == pytest.approx(deviation(other.weight), rel=error), (layer, other)
        else:
            assert torch.equal(layer.weight, other.weight)
        assert (layer.bias is None) == (other.bias is None)
        if layer.bias is not None:
            assert layer.bias.any() == other.bias.any()


def sorted_layers(module: torch.nn.Module, kinds: tuple) -> list[torch.nn.Module]:
    """The layers of these kinds by what they hold, those of the downsampling branches too."""
    layers = [layer for layer in module.modules() if isinstance(layer, kinds)]
    return sorted(
        layers, key=lambda layer: (tuple(layer.weight.shape[:2]), layer.weight.numel(), bool(layer.weight[0].any()))
    )
