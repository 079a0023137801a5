"""How far a share that was counted on a sample can lie from the share of all text."""

from __future__ import annotations

import math

#: The quantile of the normal distribution for a two-sided interval of 95 %.
_QUANTILE = 1.959964


def interval(changed: int, counted: int) -> tuple[float, float]:
    """Return the interval of 95 % of a share, by Wilson's formula (https://doi.org/10.1080/01621459.1927.10502953).

    Unlike the share plus and minus its deviation it is useful if nothing changed: of `n` tokens then up to `3.84 / (n +
    3.84)`.

    Limits: it treats tokens as independent draws from one kind of text. Those of one sentence are not quite
    independent, and it says nothing about other text.

    Args:
        changed: What was counted.
        counted: Of how many.

    Returns:
        The least and the largest share, from 0 to 1.
    """
    if not counted:
        return 0.0, 1.0
    share, square = changed / counted, _QUANTILE**2
    middle = share + square / (2 * counted)
    width = _QUANTILE * math.sqrt(share * (1 - share) / counted + square / (4 * counted**2))
    least, most = ((middle + sign * width) / (1 + square / counted) for sign in (-1, 1))
    return max(least, 0.0) if changed else 0.0, min(most, 1.0) if changed < counted else 1.0


def fewest(allowed: float) -> int:
    """Return the fewest that must be counted before a share of at most `allowed` is shown at all.

    With fewer, the interval of a sample in which nothing changed reaches above what is allowed. A budget of 0 is
    treated as one in a thousand.
    """
    share = allowed or 0.001
    return math.ceil(_QUANTILE**2 * (1 - share) / share)
