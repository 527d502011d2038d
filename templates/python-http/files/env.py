"""Configuration comes from the environment alone."""

import os
import re

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def need(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ValueError(f"read {name}: not set")
    return value


def seconds(name: str, other: str) -> float:
    """Reads a duration such as 200ms or 1.5s."""
    value = os.environ.get(name) or other
    found = re.fullmatch(r"([0-9.]+)(ms|s|m|h)", value)
    if not found:
        raise ValueError(f"read {name}: {value!r} is not a duration such as 1.5s")
    return float(found[1]) * UNITS[found[2]]


def whole(name: str, other: int) -> int:
    value = os.environ.get(name) or str(other)
    if not re.fullmatch(r"[0-9]+", value):
        raise ValueError(f"read {name}: {value!r} is not a whole number")
    return int(value)
