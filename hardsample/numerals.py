"""Numbers as text, each kind in one way. What is no number has no text, and no zero has a sign."""

import math

_PARTS = "123456789"  # a text without any of them says zero


def number(value: float | None, digits: int, sign: str = "") -> str:
    """So many digits after the point: "1,234.50", with ``sign`` "+" also "+0.12"; "" for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return ""
    text = f"{value:{sign},.{digits}f}"
    return text if any(part in text for part in _PARTS) else f"{0:.{digits}f}"


def short(value: float | None, sign: str = "", digits: int = 6) -> str:
    """As few digits as say it, up to so many: "0.05", "2"; "" for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value + 0.0:{sign if value else ''}.{digits}g}"


def count(how_many: float, thing: str) -> str:
    """So many things: "1 epoch", "0.5 epochs", "12,000 seeds"."""
    whole = float(how_many).is_integer()
    return f"{f'{how_many:,.0f}' if whole else short(how_many)} {thing}{'' if how_many == 1 else 's'}"


def p_value(p: float) -> str:
    """A p value to two digits: "0.0039", "<0.0001"; "" for none."""
    return "" if not math.isfinite(p) else "<0.0001" if p < 1e-4 else f"{p:.2g}"


def percent(share: float) -> str:
    """A share as "40 %"."""
    return f"{short(100 * share)} %"
