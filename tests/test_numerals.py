"""No number prints as none, as a signed zero or with the wrong plural, whatever it is and whoever prints it."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import hardsample
from hardsample import numerals

ANY = st.floats() | st.none()


@given(ANY, st.integers(0, 4), st.sampled_from(["", "+"]))
@example(-0.0001, 2, "+")
@example(math.nan, 2, "+")
@example(-0.0, 0, "")
def test_a_number_is_never_none_nor_a_signed_zero(value, digits, sign):
    said = numerals.number(value, digits, sign)
    assert said == "" if value is None or not math.isfinite(value) else said
    assert not re.fullmatch(r"[+-]0*(\.0*)?", said) and not re.search("nan|inf|None", said)
    if said and abs(value) < 1e12:
        assert abs(float(said.replace(",", "")) - value) <= 0.501 * 10**-digits
        assert not sign or said[0] in "+-" or float(said) == 0


@given(ANY)
def test_a_short_number_is_never_none_nor_a_signed_zero(value):
    assert numerals.short(value, "+") not in ("nan", "+nan", "inf", "+inf", "-inf", "-0", "+0")


def test_numbers_read():
    assert [numerals.number(value, 2, "+") for value in (0.004, -0.004, 0.006, -1234.5)] == [
        *("0.00", "0.00", "+0.01", "-1,234.50"),
    ]
    assert [numerals.count(number, "epoch") for number in (0, 0.5, 1, 1.0, 2, 12000)] == [
        *("0 epochs", "0.5 epochs", "1 epoch", "1 epoch", "2 epochs", "12,000 epochs"),
    ]
    assert [numerals.p_value(p) for p in (0.00195, 1.0, 1e-6, math.nan)] == ["0.0019", "1", "<0.0001", ""]
    assert numerals.percent(0.4) == "40 %"


REPORT = Path(hardsample.__file__).parent / "report"
FORMATTED = re.compile(r"\{[^{}\n]*[^{}:\n]:[+, ]*(?:\.\d+[fge]|[+,]+g)\}|\{:[+,]*\.\d+[fge]\}")


@pytest.mark.parametrize("path", sorted(REPORT.glob("*.py")), ids=lambda path: path.stem)
def test_reports_write_their_numbers_with_them(path):
    assert FORMATTED.findall(path.read_text()) == []
