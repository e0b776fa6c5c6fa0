"""The embedded stand-in data: characters from the fonts that matplotlib ships, distorted; no network, no file.

Each character of each font is kept once, as the signed distance to its outline. An image samples that field through
a random affine map and a smooth random displacement; a threshold on the distance is then the weight of the stroke, and
the width of the ramp around it the blur. Every image is a pure function of (recipe, seed, split, index). It is computed
in float64, so that rounding to uint8 hides what processors do differently in the last digit.
"""

import functools
import string
import unicodedata
from dataclasses import dataclass

import numpy as np

from hardsample.errors import InputError, check_choice

TEXT_FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
)
LATIN_FONTS = ("cmb10", "cmmi10", "cmr10", "cmss10", "cmti10", "cmtt10")
PLAIN_FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif")
ALPHABETS_FONT = "STIXGeneral"  # its script and bold script, from the mathematical alphabets of Unicode

LETTERS = tuple(zip(string.ascii_uppercase, string.ascii_lowercase, strict=True))
CAPITALS = tuple((letter,) for letter in string.ascii_uppercase[:10])
DIGITS = tuple((digit,) for digit in string.digits)
# Capitals, then what differs from every one of them by more than its size.
HUNDRED = tuple(
    (character,)
    for character in string.digits
    + string.ascii_uppercase
    + "abdefghijlmnqrty"
    + "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπρστφχψω"
    + "БДЖЗИЦЧШЩЪЫЬЭЮЯЂЉЊЄ"
)

SPLITS = ("train", "test")
CANVAS, GRID = 96, 48  # pixels: what a character is rasterised on, and what its distances are kept at
BODY = 60  # pixels of the canvas that the longer side of a character fills
KNOTS = 5  # control points across an image of its smooth random fields


@dataclass(frozen=True)
class Recipe:
    """A stand-in data set: the characters of each class, the image and the usual number of examples.

    ``stands_for`` is the data set in whose place it is taken. ``distortion`` is how far characters are turned, sheared,
    moved and bent, as a share of the usual; below 1 they come from ``PLAIN_FONTS`` alone, and colours are light on
    dark, so that a small network learns them in seconds.
    """

    characters: tuple[tuple[str, ...], ...]
    size: int
    colour: bool
    train: int
    test: int
    stands_for: str
    distortion: float = 1.0

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each class: its first character."""
        return tuple(forms[0] for forms in self.characters)

    @property
    def plain(self) -> bool:
        """Whether it is easier than the usual."""
        return self.distortion < 1

    @property
    def chunk(self) -> int:
        """Images drawn together: at least 100, and as many of each class."""
        return len(self.characters) * -(-100 // len(self.characters))


RECIPES = {
    "glyphs": Recipe(LETTERS, 28, False, 124_800, 20_800, "emnist-letters"),
    "glyphs10-32": Recipe(DIGITS, 32, True, 50_000, 10_000, "cifar10"),
    "glyphs100-32": Recipe(HUNDRED, 32, True, 50_000, 10_000, "cifar100"),
    "glyphs10-96": Recipe(DIGITS, 96, True, 5_000, 8_000, "stl10"),
    # For trainings of seconds: small, and easy to learn.
    "easy-letters": Recipe(LETTERS, 28, False, 124_800, 20_800, "emnist-letters", distortion=0.6),
    "easy-digits": Recipe(DIGITS, 16, True, 50_000, 10_000, "cifar10", distortion=0.5),
    "easy-hundred": Recipe(HUNDRED, 16, True, 50_000, 10_000, "cifar100", distortion=0.1),
    "easy-capitals": Recipe(CAPITALS, 16, True, 5_000, 8_000, "stl10", distortion=0.5),
}


def generate(name: str, split: str, count: int | None = None, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The first ``count`` images of a stand-in, the same whatever the count.

    Returns:
        x uint8 [count, C, size, size], light ink on black where C = 1, and y int64 [count].

    Raises:
        InputError: the name or the split is unknown, the count or the seed is below its least.
    """
    check_choice("stand-in", name, RECIPES)
    check_choice("split", split, SPLITS)
    recipe = RECIPES[name]
    count = getattr(recipe, split) if count is None else count
    if count < 1 or seed < 0:
        raise InputError(f"count is {count} and seed {seed}: give a count of at least 1 and a seed of at least 0.")
    x = np.empty((count, 3 if recipe.colour else 1, recipe.size, recipe.size), np.uint8)
    y = np.empty(count, np.int64)
    for chunk, start in enumerate(range(0, count, recipe.chunk)):
        stop = min(start + recipe.chunk, count)
        key = np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), chunk))
        images, labels = _draw_chunk(recipe, np.random.Generator(np.random.Philox(key)))
        x[start:stop], y[start:stop] = images[: stop - start], labels[: stop - start]
    return x, y


def _draw_chunk(recipe: Recipe, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One whole chunk: uint8 [B, C, size, size] and int64 [B]."""
    templates, first, forms = _templates(recipe.characters, recipe.plain)
    labels = random.permutation(np.arange(recipe.chunk) % len(recipe.characters))
    chosen = first[labels] + (random.random(len(labels)) * forms[labels]).astype(np.int64)
    distance = _sample(templates, chosen, _coordinates(random, len(labels), recipe))
    weight = _uniform(random, -0.02, 0.055, len(labels))
    blur = _uniform(random, 0.08, 0.22, len(labels)) * (28 / recipe.size) ** 0.5
    ink = _ramp((distance + weight) / blur)
    if not recipe.colour:
        image = _paint_grey(random, ink, recipe.distortion)
    elif recipe.plain:
        image = _paint_plain(random, ink, recipe.distortion)
    else:
        image = _paint_colour(random, ink)
    return (image.clip(0, 1) * 255).round().astype(np.uint8), labels


@functools.lru_cache(maxsize=2)
def _templates(characters: tuple[tuple[str, ...], ...], plain: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every form of every class: signed distances [T, GRID, GRID], each class's first form [K] and number of forms [K].

    Distances are in half widths of the canvas, as the coordinates are, and positive inside the character.
    """
    forms = [_forms(members, plain) for members in characters]
    counts = np.array([len(members) for members in forms])
    fields = np.stack([_distances(_raster(font, form)) for members in forms for font, form in members])
    return fields, counts.cumsum() - counts, counts


def _forms(members: tuple[str, ...], plain: bool) -> list[tuple[str, str]]:
    """(font, character) pairs that show one of ``members``; Latin letters also in script, unless ``plain``."""
    if plain:
        return [(font, member) for font in PLAIN_FONTS for member in members]
    fonts = (*TEXT_FONTS, *LATIN_FONTS) if all(member.isascii() for member in members) else TEXT_FONTS
    printed = [(font, member) for font in fonts for member in members]
    letters = set(members) & set(string.ascii_letters)
    alphabets = [
        (ALPHABETS_FONT, chr(code))
        for code in range(0x1D49C, 0x1D504)
        if unicodedata.normalize("NFKC", chr(code)) in letters
    ]
    return printed + alphabets


def _raster(font: str, character: str) -> np.ndarray:
    """The character centred on the canvas, its longer side BODY pixels: bool [CANVAS, CANVAS]."""
    from PIL import Image

    mask = _font(font, 2 * BODY).getmask(character)
    body = Image.frombytes("L", mask.size, bytes(mask))
    scale = BODY / max(body.size)
    body = body.resize([max(1, round(side * scale)) for side in body.size], Image.Resampling.BOX)
    canvas = Image.new("L", (CANVAS, CANVAS))
    canvas.paste(body, [(CANVAS - side) // 2 for side in body.size])
    return np.asarray(canvas) > 127


@functools.lru_cache
def _font(name: str, size: int):
    import matplotlib
    from PIL import ImageFont

    path = f"{matplotlib.get_data_path()}/fonts/ttf/{name}.ttf"
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def _distances(inside: np.ndarray) -> np.ndarray:
    """Signed distance to the outline, bool [CANVAS, CANVAS] -> float64 [GRID, GRID]."""
    from scipy.ndimage import distance_transform_edt

    distance = distance_transform_edt(inside) - distance_transform_edt(~inside)
    step = CANVAS // GRID
    return distance.reshape(GRID, step, GRID, step).mean((1, 3)) * (2 / CANVAS)


def _coordinates(random: np.random.Generator, count: int, recipe: Recipe) -> np.ndarray:
    """Where each pixel looks in its template, in [-1, 1]: float64 [2 (x, y), B, size, size]."""
    size, colour, share = recipe.size, recipe.colour, recipe.distortion
    turn, shear = random.normal(0, 0.14 * share, (2, count, 1, 1))
    # Template widths per image width: a character's longer side fills BODY / CANVAS / zoom of the image.
    zoom = _uniform(random, 0.70, 1.20, count) if colour else _uniform(random, 0.74, 0.98, count)
    stretch = zoom * np.exp(random.normal(0, 0.12 * share, (2, count, 1, 1)))
    shift = random.normal(0, (0.12 if colour else 0.05) * share, (2, count, 1, 1))
    bend = _mostly_low(random, 0.03 * share, 0.14 * share, count) * _smooth_field(random, (2, count), size)

    pixel = (np.arange(size) + 0.5) * (2 / size) - 1
    x, y = pixel - shift[0], pixel[:, None] - shift[1]
    x, y = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    return stretch * np.stack((x + shear * y, y)) + bend


def _sample(templates: np.ndarray, chosen: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Templates [T, GRID, GRID] read bilinearly at coordinates [2, B, H, W]: [B, H, W]; beyond the edge, the edge."""
    position = ((coordinates + 1) * (GRID / 2) - 0.5).clip(0, GRID - 1.001)
    corner = position.astype(np.int64)
    right, down = position - corner
    flat = templates.reshape(-1)
    index = chosen[:, None, None] * GRID**2 + corner[1] * GRID + corner[0]
    top = flat[index] * (1 - right) + flat[index + 1] * right
    bottom = flat[index + GRID] * (1 - right) + flat[index + GRID + 1] * right
    return top * (1 - down) + bottom * down


def _paint_grey(random: np.random.Generator, ink: np.ndarray, distortion: float) -> np.ndarray:
    """Light ink on black with noise: [B, H, W] -> [B, 1, H, W]."""
    strength = _uniform(random, 0.65, 1.0, len(ink))
    noise = _mostly_low(random, 0.0, 0.25 * distortion, len(ink))
    return (strength * ink + noise * random.standard_normal(ink.shape, np.float32))[:, None]


def _paint_plain(random: np.random.Generator, ink: np.ndarray, distortion: float) -> np.ndarray:
    """Light coloured ink on dark coloured ground with noise: [B, H, W] -> [B, 3, H, W]."""
    ground = 0.4 * random.random((len(ink), 3, 1, 1))
    colour = 0.6 + 0.4 * random.random((len(ink), 3, 1, 1))
    noise = _mostly_low(random, 0.0, 0.5 * distortion, len(ink))[:, None]
    return ground + (colour - ground) * ink[:, None] + noise * random.standard_normal((len(ink), 3, *ink.shape[1:]))


def _paint_colour(random: np.random.Generator, ink: np.ndarray) -> np.ndarray:
    """Coloured ink on clouds and stripes of two other colours: [B, H, W] -> [B, 3, H, W]."""
    count, size = len(ink), ink.shape[-1]
    light, dark = random.random((2, count, 3, 1, 1))
    angle, waves, phase = random.random((3, count, 1, 1)) * np.array([np.pi, 5, 1]).reshape(3, 1, 1, 1)
    place = np.arange(size) / size
    way = place * np.cos(angle) + place[:, None] * np.sin(angle)
    stripes = np.sin(2 * np.pi * (waves * way + phase))
    blend = (0.5 + 0.4 * _smooth_field(random, (count,), size) + 0.25 * stripes).clip(0, 1)[:, None]
    ground = dark + (light - dark) * blend

    middle = (light + dark) / 2
    away = np.where(middle < 0.5, 1, -1) * random.uniform(0.2, 0.75, (count, 1, 1, 1))
    colour = middle + away * random.uniform(0.3, 1.0, (count, 3, 1, 1))
    noise = _uniform(random, 0.0, 0.08, count)[..., None] * random.standard_normal(ground.shape, np.float32)
    return ground + (colour - ground) * ink[:, None] + noise


def _smooth_field(random: np.random.Generator, shape: tuple[int, ...], size: int) -> np.ndarray:
    """Random fields of about unit deviation, [*shape, size, size]: cubic B-splines over KNOTS knots each way."""
    knots = random.standard_normal((*shape, KNOTS, KNOTS))
    place = (np.arange(size) + 0.5)[:, None] / size * (KNOTS - 3) + 1
    far = np.abs(place - np.arange(KNOTS))
    spline = np.where(far < 1, 2 / 3 - far**2 + far**3 / 2, (2 - far).clip(0) ** 3 / 6)
    return 2 * spline @ knots @ spline.T


def _uniform(random: np.random.Generator, low: float, high: float, count: int) -> np.ndarray:
    return random.uniform(low, high, (count, 1, 1))


def _mostly_low(random: np.random.Generator, low: float, high: float, count: int) -> np.ndarray:
    """[count, 1, 1] with a fifth of the way up as the mean: so hard images are few, and stay hard."""
    return low + (high - low) * random.random((count, 1, 1)) ** 4


def _ramp(value: np.ndarray) -> np.ndarray:
    """A smooth step from 0 at -1/2 to 1 at 1/2."""
    value = (value + 0.5).clip(0, 1)
    return value * value * (3 - 2 * value)
