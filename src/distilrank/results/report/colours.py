"""The colours of the light scheme as numbers, for programs that read a figure without CSS."""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Triple = NDArray[np.float64]

_DECLARATION = re.compile(r"--([\w-]+):\s*([^;]+);")
_VARIABLE = re.compile(r"var\(--([\w-]+)\)")
_MIX = re.compile(r"color-mix\(in oklab, (.+) (\d+)%, (.+)\)")
# Matrices from linear sRGB to cone responses, and from their cube roots to Oklab:
# https://bottosson.github.io/posts/oklab
_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_OKLAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def light_scheme(style: str) -> dict[str, str]:
    """The variables that a stylesheet's first `:root` declares, by their names without dashes."""
    return dict(_DECLARATION.findall(style[style.index(":root") :].partition("}")[0]))


def without_variables(text: str, variables: Mapping[str, str]) -> str:
    """The text, with each variable replaced by its colour as #rrggbb."""
    return _VARIABLE.sub(lambda found: plain(found[0], variables), text)


def plain(colour: str, variables: Mapping[str, str]) -> str:
    """A CSS colour as #rrggbb. It may be #rrggbb, #rgb, a variable, or a mix of two in Oklab."""
    if found := _VARIABLE.fullmatch(colour):
        return plain(variables[found[1]], variables)
    if found := _MIX.fullmatch(colour):
        one, other = (_oklab(plain(mixed, variables)) for mixed in (found[1], found[3]))
        share = int(found[2]) / 100
        return _hex(share * one + (1 - share) * other)
    return colour if len(colour) > 4 else "#" + "".join(2 * digit for digit in colour[1:])


def _oklab(colour: str) -> Triple:
    encoded = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return np.asarray(_OKLAB @ np.cbrt(_CONES @ linear))


def _hex(oklab: Triple) -> str:
    linear = np.clip(np.linalg.solve(_CONES, np.linalg.solve(_OKLAB, oklab) ** 3), 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * float(one)):02x}" for one in encoded)
