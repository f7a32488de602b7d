"""Wilson's interval of a share p = k / n, with z = 1.96 for 95%. It stays in [0, 1] and is valid at k = 0:

centre = (p + z^2 / 2n) / (1 + z^2 / n)        half = z sqrt(p (1 - p) / n + z^2 / 4n^2) / (1 + z^2 / n)
"""

import math

from holdfast.student_t import Z_95


def wilson_interval(share: float, n: float, z: float = Z_95) -> tuple[float, float]:
    """Computes the 95% interval of a share that was measured on n outcomes.

    Args:
        share: the measured share, in [0, 1].
        n: effective number of independent outcomes, which need not be an integer.
        z: the 97.5% quantile. It exceeds the normal quantile where few numbers estimate the variance.
    """
    weight = 1 + z**2 / n
    centre = (share + z**2 / (2 * n)) / weight
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / weight
    # At shares of 0 and 1 one end equals the share, up to rounding.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))
