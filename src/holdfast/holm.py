"""Holm: of m tests, the p values in rising order p_0 <= p_1 <= ... become max over j <= i of min(1, (m - j) p_j).

S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
"""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrects p values for multiple tests and returns them in their order.

    A corrected p value bounds the chance of any false alarm among the tests. The bound holds for dependent tests too,
    such as those of a measure and of its parts.
    """
    order = sorted(range(len(p_values)), key=lambda position: p_values[position])
    corrected, largest = [1.0] * len(p_values), 0.0
    for rank, position in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[position]))
        corrected[position] = largest
    return corrected
