"""How each method's curve looks, as a small drawing, beside one sentence on what the method does."""

import dataclasses
import inspect

from markupsafe import Markup
from matplotlib.colors import to_hex
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from hardsample.methods.registry import ENTRIES, LOOKS, METHODS, Look
from hardsample.report.style import looks

_WIDTH, _HEIGHT, _THICK, _MARKER = 44, 16, 2.0, 7.0  # pixels
_LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}


@dataclasses.dataclass(frozen=True)
class Described:
    """A method: its name, what it does in a sentence, and its curves' names with their drawings."""

    name: str
    words: str
    curves: tuple[tuple[str, Markup], ...]


def methods() -> list[Described]:
    """Every method that is registered, in the order of tables and legends.

    A curve has its own look, or that of the contest of all methods; where two would look alike in a figure, one has a
    spare look there.
    """
    named = {name: [*spec.looks] for name, spec in METHODS.items()}
    for curve, entry in ENTRIES.items():
        if curve not in named[entry.method]:
            named[entry.method].append(curve)
    looked = looks(ENTRIES) | LOOKS
    return [
        Described(name, _sentence(name), tuple((curve, swatch(looked[curve])) for curve in named[name]))
        for name in METHODS
    ]


def _sentence(name: str) -> str:
    """The first line of what the method's class says of itself, without its name."""
    first = (inspect.getdoc(METHODS[name].build) or name).splitlines()[0].removeprefix(f"{name}: ")
    return f"{first[0].upper()}{first[1:]}"


def swatch(look: Look) -> Markup:
    """A line of that look with its marker, as SVG; the name stands beside it, so that it needs no words."""
    color, middle = to_hex(look.color), _HEIGHT / 2
    dashes = (
        ""
        if isinstance(look.line, str)
        else f' stroke-dasharray="{" ".join(f"{_THICK * on:g}" for on in look.line[1])}"'
    )
    return Markup(
        f'<svg class="swatch" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">'
        f'<path d="M2 {middle:g}H{_WIDTH - 2}" stroke="{color}" stroke-width="{_THICK:g}"{dashes} fill="none"/>'
        f'<path d="{_outline(look.marker)}" fill="{color}" stroke="#fff" stroke-width="0.5"/></svg>'
    )


def _outline(marker: str) -> str:
    """The marker in the drawing's middle, as the commands of an SVG path."""
    style = MarkerStyle(marker)
    place = Affine2D().scale(_MARKER, -_MARKER).translate(_WIDTH / 2, _HEIGHT / 2)
    path = style.get_path().transformed(style.get_transform()).transformed(place)
    parts = []
    for points, code in path.iter_segments(simplify=False):
        coordinates = " ".join(f"{value:.2f}" for value in points)
        parts.append("Z" if code == Path.CLOSEPOLY else f"{_LETTERS[code]}{coordinates}")
    return "".join(parts)
