"""Colours of the page's figures, in light and in dark mode, and a readable colour for labels on them.

contrast = (L + 0.05) / (l + 0.05)   (WCAG 2.2, with the relative luminances L and l of the lighter and darker colour)

Small text needs a contrast of 4.5. On any colour black or white has at least 4.58, the square root of 1.05 / 0.05, so a
label takes the one with more contrast.
"""

from holdfast.arms import looks

COLOURS = {look.name: (look.light, look.dark) for look in looks("verify", "enhance", "adapt").values()}
"""One colour per look, for light and dark mode. They stay distinct under the common kinds of colour blindness."""
CARD = ("#ffffff", "#1b1f25")
"""Background of the cells of a map, in light and in dark mode."""
BALANCE = (1.05 * 0.05) ** 0.5 - 0.05
"""Luminance of the background on which black and white text have equal contrast."""


def label_class(opacity: float, method: str) -> str:
    """Returns the style class of a label on a cell: 'on-bw' is black in light mode and white in dark mode."""
    grounds = zip(COLOURS[method], CARD, strict=True)
    return "on-" + "".join("b" if _luminance(colour, card, opacity) > BALANCE else "w" for colour, card in grounds)


def _luminance(colour: str, card: str, opacity: float) -> float:
    """Computes the relative luminance, in [0, 1], of a colour drawn over another."""
    shares = (0.2126, 0.7152, 0.0722)
    mixed = (opacity * above + (1 - opacity) * below for above, below in zip(_rgb(colour), _rgb(card), strict=True))
    return sum(share * _linear(channel) for share, channel in zip(shares, mixed, strict=True))


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
