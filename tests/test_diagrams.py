"""The diagram of the two training methods: what it says, that nothing overlaps, and the updates beside it."""

import itertools

import pandas as pd
import pytest

from hardsample.errors import InputError
from hardsample.report import diagrams, figures


@pytest.fixture(scope="module")
def diagram():
    return diagrams.training_methods(98, 100)


def words(diagram):
    return [text.get_text() for text in diagram.axes[0].texts]


def test_it_says_both_methods_and_their_updates(diagram):
    said = " ".join(words(diagram))
    for part in ("Ordinary training", "Hard mini-batches", "$E$ epochs", "(E - 1)/δ", "sort by loss, descending"):
        assert part in said
    assert said.count("98 × 100 = 9,800 updates") == 2


def test_the_first_of_the_sorted_list_are_the_hardest(diagram):
    cells = [text for text in words(diagram) if text.startswith("$b_") and text != "$b_i$"]
    hardest = sorted(range(6), key=lambda number: -diagrams.LOSSES[number])
    assert [f"$b_{number}$" for number in hardest] == cells[-6:]
    assert cells[:6] == cells[6:12] == cells[12:18] == [f"$b_{number}$" for number in range(6)]


def test_no_two_texts_overlap_and_none_leaves_the_page(diagram):
    diagram.draw_without_rendering()
    boxes = {text: text.get_window_extent() for text in diagram.axes[0].texts}
    for one, other in itertools.combinations(boxes, 2):
        assert not boxes[one].overlaps(boxes[other]), (one.get_text(), other.get_text())
    page = diagram.bbox
    for text, box in boxes.items():
        assert page.x0 < box.x0 and box.x1 < page.x1 and page.y0 < box.y0 and box.y1 < page.y1, text.get_text()


def test_update_counts_by_hand():
    counts = diagrams.update_counts(98, 100, (1.0, 0.8, 0.5, 0.2))
    assert list(counts) == ["delta", "first_pass", "per_round", "rounds", "updates"]
    assert list(counts.per_round) == [98, 78.4, 49, 19.6]
    assert list(counts.rounds) == [99, 123.75, 198, 495]
    assert set(counts.updates) == {9800}


@pytest.mark.parametrize(("n_batches", "epochs"), [(1, 1), (7, 3), (97, 100), (10, 29)])
@pytest.mark.parametrize("delta", [1.0, 0.8, 0.7, 0.3, 1 / 3])
def test_updates_are_those_of_ordinary_training(n_batches, epochs, delta):
    assert diagrams.update_counts(n_batches, epochs, [delta]).updates[0] == n_batches * epochs  # eq. 4


@pytest.mark.parametrize(("arguments", "bad"), [((0, 5, [1.0]), "n_batches is 0"), ((5, 5, [1.5]), "delta is 1.5")])
def test_bad_numbers_are_refused(arguments, bad):
    with pytest.raises(InputError, match=bad):
        diagrams.update_counts(*arguments)


@pytest.mark.slow
def test_equal_diagrams_give_equal_bytes(tmp_path):
    counts = diagrams.update_counts(98, 100, (1.0, 0.5))
    here, there = (
        figures.save(diagrams.training_methods(98, 100), counts, tmp_path / name / "figure-2") for name in "ab"
    )
    assert [file.read_bytes() for file in here] == [file.read_bytes() for file in there]
    assert [file.suffix for file in here] == [".pdf", ".png", ".csv"]
    pd.testing.assert_frame_equal(pd.read_csv(here[2]), counts, check_dtype=False)
