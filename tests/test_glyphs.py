import hashlib

import matplotlib
import numpy as np
import pytest
from matplotlib.ft2font import FT2Font

from hardsample.data import glyphs
from hardsample.errors import InputError

DIGESTS = {  # of the first 30 images
    "glyphs": "e99330926f81359e",
    "glyphs10-32": "939065b5c8b914e1",
    "glyphs10-96": "5fc472b7b538de5d",
    "easy-letters": "616cf02ecbe6101c",
    "easy-digits": "98c486fd8fb74e3c",
    "easy-capitals": "0e340353092c70db",
}
CHEAP = tuple(DIGESTS)  # those of a hundred classes take seconds to rasterise


@pytest.fixture(scope="module")
def letters():
    return glyphs.generate("glyphs", "train", 2600)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
def test_the_first_images_are_the_same_whatever_the_total(name):
    chunk = glyphs.RECIPES[name].chunk
    x, y = glyphs.generate(name, "train", chunk + 7)
    for count in (1, chunk - 1, chunk, chunk + 3):
        fewer = glyphs.generate(name, "train", count)
        np.testing.assert_array_equal(fewer[0], x[:count])
        np.testing.assert_array_equal(fewer[1], y[:count])


@pytest.mark.parametrize(
    ("name", "channels", "size"), [("glyphs", 1, 28), ("glyphs10-32", 3, 32), ("glyphs10-96", 3, 96)]
)
def test_shapes_and_types(name, channels, size):
    x, y = glyphs.generate(name, "test", 3)
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((3, channels, size, size), np.uint8, (3,), np.int64)


def test_usual_sizes_are_those_of_the_sets_they_stand_for():
    sizes = {name: (len(r.classes), r.size, r.train, r.test) for name, r in glyphs.RECIPES.items()}
    assert sizes == {
        "glyphs": (26, 28, 124_800, 20_800),
        "glyphs10-32": (10, 32, 50_000, 10_000),
        "glyphs100-32": (100, 32, 50_000, 10_000),
        "glyphs10-96": (10, 96, 5_000, 8_000),
        "easy-letters": (26, 28, 124_800, 20_800),
        "easy-digits": (10, 16, 50_000, 10_000),
        "easy-hundred": (100, 16, 50_000, 10_000),
        "easy-capitals": (10, 16, 5_000, 8_000),
    }


@pytest.mark.parametrize("name", CHEAP)
def test_a_recipe_keeps_its_images(name):
    """Stored runs know a stand-in by its name: another recipe needs another."""
    x, _ = glyphs.generate(name, "train", 30)
    assert hashlib.sha256(x.tobytes()).hexdigest()[:16] == DIGESTS[name]


def test_easy_colours_are_light_on_dark():
    x, _ = glyphs.generate("easy-digits", "train", 200)
    corners = np.concatenate([x[:, :, :2, :2], x[:, :, -2:, -2:]], 2).mean((1, 2, 3))
    assert (np.sort(x.mean(1).reshape(200, -1), 1)[:, -5:].mean(1) > corners).all()


def test_seed_and_split_each_give_other_images():
    drawn = [glyphs.generate("glyphs", split, 30, seed=seed)[0] for split in glyphs.SPLITS for seed in (0, 1)]
    for i in range(4):
        for j in range(i):
            assert (drawn[i] != drawn[j]).any(axis=(1, 2, 3)).all()


def test_global_random_state_is_neither_read_nor_changed(letters):
    before = np.random.get_state()[1].copy()
    x, _ = glyphs.generate("glyphs", "train", 50)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.testing.assert_array_equal(x, letters[0][:50])


def test_classes_are_balanced_in_every_chunk(letters):
    counts = np.bincount(letters[1][: glyphs.RECIPES["glyphs"].chunk], minlength=26)
    assert (counts == 4).all()


def test_images_are_distinct_light_strokes_on_black(letters):
    x = letters[0][:, 0].astype(float)
    assert np.median(x) < 20
    assert (x.reshape(len(x), -1).max(1) > 130).mean() > 0.99
    assert 0.1 < (x > 100).mean() < 0.35
    assert len(np.unique(letters[0].reshape(len(x), -1), axis=0)) == len(x)


def test_letters_can_be_told_by_shape_but_not_all(letters):
    x, y = letters[0].reshape(2600, -1) / 255.0, letters[1]
    centres = np.stack([x[:2000][y[:2000] == k].mean(0) for k in range(26)])
    nearest = (centres**2).sum(1) - 2 * x[2000:] @ centres.T
    accuracy = (nearest.argmin(1) == y[2000:]).mean()
    assert 0.25 < accuracy < 0.75


def test_colour_characters_stand_out_from_their_ground():
    x, _ = glyphs.generate("glyphs10-32", "train", 200)
    assert (x.reshape(200, 3, -1).std(2) > 3).any(1).all()
    assert (x.astype(int)[:, 0] != x[:, 1]).mean() > 0.9


@pytest.mark.slow
def test_every_form_is_in_its_font_and_leaves_a_mark():
    charmaps = {}
    characters = {member for recipe in glyphs.RECIPES.values() for members in recipe.characters for member in members}
    for character in sorted(characters):
        for font, form in glyphs._forms((character,), plain=False):
            if font not in charmaps:
                charmaps[font] = FT2Font(f"{matplotlib.get_data_path()}/fonts/ttf/{font}.ttf").get_charmap()
            assert ord(form) in charmaps[font], (font, form)
            assert glyphs._raster(font, form).sum() > 100, (font, form)
    assert len(charmaps) == 22


def test_both_cases_of_every_letter_are_in_its_class():
    for upper, lower in glyphs.LETTERS:
        shown = {form for _, form in glyphs._forms((upper, lower), plain=False)}
        assert {upper, lower} <= shown
        assert len(shown) >= 4


def test_capital_i_and_small_l_cannot_be_told_apart():
    capital, small = (glyphs._raster("DejaVuSans", form) for form in "Il")
    assert (capital & small).sum() / (capital | small).sum() > 0.85


def test_a_hundred_distinct_characters():
    assert len(set(glyphs.RECIPES["glyphs100-32"].classes)) == 100


def test_distances_are_positive_inside_and_in_half_canvases():
    inside = np.zeros((glyphs.CANVAS, glyphs.CANVAS), bool)
    inside[:, : glyphs.CANVAS // 2] = True
    field = glyphs._distances(inside)
    assert field.shape == (glyphs.GRID, glyphs.GRID)
    # The first column's centre lies half a grid step from the edge; distances count to the next pixel's centre.
    np.testing.assert_allclose(field[:, 0], 1 - 1 / glyphs.GRID, atol=0.5 * 2 / glyphs.CANVAS + 1e-12)
    np.testing.assert_allclose(field, -field[:, ::-1])


def test_sampling_reads_the_centres_exactly_and_between_them_linearly():
    template = np.random.default_rng(0).random((2, glyphs.GRID, glyphs.GRID))
    pixels = np.array([[[[3.0, 3.5, 3.0, 3.75]]], [[[7.0, 7.0, 7.25, 7.5]]]])  # columns, rows
    value = glyphs._sample(template, np.array([1]), (pixels + 0.5) * 2 / glyphs.GRID - 1)
    (a, b), (c, d) = template[1, 7:9, 3:5]
    expected = [a, (a + b) / 2, 0.75 * a + 0.25 * c, (a + 3 * b + c + 3 * d) / 8]
    np.testing.assert_allclose(value[0, 0], expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("letters", "train"), r"unknown stand-in 'letters' \(did you mean easy-letters\?\): choose one of glyphs,"),
        (("glyphs", "validation"), "unknown split 'validation': choose one of train, test"),
        (("glyphs", "train", 0), "count is 0"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(InputError, match=words):
        glyphs.generate(*arguments)
