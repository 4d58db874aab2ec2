"""Formats figures and lists for the page."""

MINUS = "\N{MINUS SIGN}"


def score(value: float) -> str:
    return f"{value:.3f}".replace("-", MINUS)


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", MINUS)


def magnitude(value: float) -> str:
    """A number to about three digits, because scores are of any size."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}".replace("-", MINUS)


def effect(value: float) -> str:
    return f"{value:+.2f}".replace("-", MINUS).replace("inf", "∞")


def percent(value: float) -> str:
    return f"{value:.1%}".replace("%", "\N{NO-BREAK SPACE}%")


def bare_p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def p_value(value: float) -> str:
    return f"p {bare_p_value(value)}" if value < 0.001 else f"p = {bare_p_value(value)}"


def milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def count(value: int) -> str:
    return f"{value:,}"


def magnitude_of_bytes(value: float) -> str:
    """A size such as 512 B or 1.5 kB, by powers of 1,000 as for disks."""
    if not value:
        return "nothing"
    power = next((power for power in range(3) if value < 1000 ** (power + 1)), 3)
    amount, unit = value / 1000**power, ("B", "kB", "MB", "GB")[power]
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def millions(value: int) -> str:
    return f"{value / 1e6:,.1f}\N{NO-BREAK SPACE}M"


def minutes(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def times(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def listed(names: list[str]) -> str:
    """The names as in "a, b and c"."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def lower_first(words: str) -> str:
    return words[:1].lower() + words[1:]


FILTERS = {
    "score": score,
    "signed": signed,
    "magnitude": magnitude,
    "effect": effect,
    "percent": percent,
    "bare_p_value": bare_p_value,
    "p_value": p_value,
    "milliseconds": milliseconds,
    "count": count,
    "bytes": magnitude_of_bytes,
    "millions": millions,
    "minutes": minutes,
    "times": times,
    "listed": listed,
    "lower_first": lower_first,
}
