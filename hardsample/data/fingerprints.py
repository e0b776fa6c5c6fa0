"""How the content of a data set is told, and that a name which belongs to one content stands for no other."""

import hashlib

import numpy as np

from hardsample.data import formats
from hardsample.data.catalogue import DATASETS
from hardsample.errors import InputError

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
    spec = DATASETS.get(name)
    if spec is None or spec.download is None:
        return
    found = fingerprint(arrays)
    other = next((known for known, about in DATASETS.items() if about.fingerprint == found), None)
    if other == name or (name == "cifar10" and not other and _may_be_cifar10(arrays)):
        return
    what = f"is that of {other}" if other else "is another"
    remedy = f"name the file {other}.npz" if other else "give the file another name"
    title = spec.what.partition(":")[0].partition(",")[0]
    if not spec.fingerprint and name != "cifar10":
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
