"""Who called which case what."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MISSING = -1


@dataclass(frozen=True, eq=False)
class Ratings:
    """One table of cases and raters.

    Attributes
    ----------
    codes
        (N cases, R raters), whole numbers 0 … n_categories − 1, −1 where this rater did not rate this case. For the
        weighted and ordered statistics the codes stand in order and one apart.
    n_categories
        How many there are to choose from, used or not; at least 2. Gwet's AC1 depends on it.

    Raises
    ------
    ValueError
        If the table is no table of whole numbers, a code is outside, or there is nothing to choose from.
    """

    codes: Ints
    n_categories: int

    def __post_init__(self) -> None:
        codes = np.asarray(self.codes)
        if codes.ndim != 2 or not np.issubdtype(codes.dtype, np.integer):
            raise ValueError(
                f"ratings are a table (cases, raters) of whole numbers, not {codes.shape} of {codes.dtype}"
            )
        if self.n_categories < 2:
            raise ValueError(f"raters need two categories to choose from, not {self.n_categories}")
        outside = codes[(codes < MISSING) | (codes >= self.n_categories)]
        if len(outside):
            raise ValueError(f"code {outside[0]} is none of {self.n_categories} categories (0 is the first)")
        object.__setattr__(self, "codes", codes.astype(np.int64))

    @property
    def n_cases(self) -> int:
        """All rows, rated or not."""
        return int(self.codes.shape[0])

    @property
    def n_raters(self) -> int:
        """All columns, also of raters who rated nothing."""
        return int(self.codes.shape[1])

    def counts(self) -> Ints:  # (N, K)
        """How many raters gave each case each category."""
        return np.stack([(self.codes == k).sum(axis=1) for k in range(self.n_categories)], axis=1)

    def table(self, first: int, second: int) -> Ints:  # (K, K)
        """Cases that both rated: rows are what the rater in column `first` said, columns what `second` said."""
        a, b = self.codes[:, first], self.codes[:, second]
        both, k = (a != MISSING) & (b != MISSING), self.n_categories
        return np.bincount(a[both] * k + b[both], minlength=k * k).reshape(k, k)
