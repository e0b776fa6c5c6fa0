"""Durations in words, and read from words."""

from hardsample.runs.progress import format_duration, parse_duration


def test_durations_in_words():
    assert [parse_duration(text) for text in ("90s", "9m", "1.5h", "30", 12, 0.5)] == [90, 540, 5400, 30, 12, 0.5]
    assert [format_duration(seconds) for seconds in (0.4, 59, 303, 7810)] == ["0 s", "59 s", "5 min 3 s", "2 h 10 min"]
