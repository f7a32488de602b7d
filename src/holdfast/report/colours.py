"""The page's colours that figures reckon with, in light and in dark, and which label can be read on which of them.

Contrast by WCAG 2.2: (L + 0.05) / (l + 0.05), L and l the relative luminances of the lighter and the darker colour;
small text wants 4.5. On any colour black or white has 4.58 at least, the square root of 1.05 / 0.05, so the label is
the one that has more.
"""

from holdfast.arms import looks

COLOURS = {look.name: (look.light, look.dark) for look in looks("verify", "enhance", "adapt").values()}
"""One colour a look, told apart by the common kinds of colour blindness; markers differ too."""
CARD = ("#ffffff", "#1b1f25")
"""What cells of a map lie on."""
BALANCE = (1.05 * 0.05) ** 0.5 - 0.05
"""The luminance on which black and white have the same contrast."""


def label_class(opacity: float, method: str) -> str:
    """The style's class for a label on a cell of that colour: 'on-bw' is black in light and white in dark."""
    grounds = zip(COLOURS[method], CARD, strict=True)
    return "on-" + "".join("b" if _luminance(colour, card, opacity) > BALANCE else "w" for colour, card in grounds)


def _luminance(colour: str, card: str, opacity: float) -> float:
    """Relative luminance of a colour that lies on another, in [0, 1]."""
    shares = (0.2126, 0.7152, 0.0722)
    mixed = (opacity * above + (1 - opacity) * below for above, below in zip(_rgb(colour), _rgb(card), strict=True))
    return sum(share * _linear(channel) for share, channel in zip(shares, mixed, strict=True))


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
