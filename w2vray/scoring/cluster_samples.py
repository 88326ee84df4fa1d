"""Shares of a whole, estimated from rows that were drawn in clusters: rows of one place are alike.

A hundred rows from each of forty places tell less than four thousand rows from all over. How much less is seen from how
much the places differ among one another, and goes into each interval.

Shape letters: CONTRIBUTING.md.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2vray.scoring.comparing import CONFIDENCE
from w2vray.scoring.proportions import Share, exact_interval

__all__ = ["ClusterSample"]


@dataclass(frozen=True, eq=False)
class ClusterSample:
    """Places that were drawn with chances as their rows, and again after each draw.

    Args:
        weights_N: of each draw, the share of its place's rows that are of the whole (1, unless rows were left out).
        rows_N: how many rows of it were looked at.
        whole: whether all rows were looked at; then nothing is left to chance.
    """

    weights_N: npt.NDArray[np.float64]
    rows_N: npt.NDArray[np.float64]
    whole: bool = False

    @property
    def rows(self) -> int:
        """Rows that were looked at."""
        return int(self.rows_N.sum())

    def share(self, counts_N: npt.NDArray[np.float64]) -> float:
        """Estimate the share of rows that have something, from how many rows of each draw have it."""
        if self.whole:
            return float(counts_N.sum() / max(self.rows, 1))
        weights_N, parts_N = self._parts(counts_N)
        return float((weights_N * parts_N).sum() / max(weights_N.sum(), 1e-300))

    def shares(self, counts_NC: npt.NDArray[np.float64]) -> list[Share]:
        """Estimate several shares, of things that may exclude one another, each with its interval.

        The interval is Clopper and Pearson's of as many rows as a plain sample would need to be as exact. Where no draw
        has a thing, or each row has it, no difference is seen; then that number is taken as the others have it.
        """
        found = [self.share(counts_N) for counts_N in counts_NC.T]
        if self.whole:
            return [Share(rows=self.rows, share=share, low=share, high=share) for share in found]
        effective = [self._effective(counts_N, share) for counts_N, share in zip(counts_NC.T, found, strict=True)]
        seen = [rows for rows in effective if rows is not None]
        usual = min(float(np.mean(seen)), self.rows) if seen else float(len(self.rows_N))
        shares = []
        for share, own in zip(found, effective, strict=True):
            rows = usual if own is None else own
            low, high = exact_interval(share * rows, rows)
            shares.append(Share(rows=self.rows, share=share, low=min(low, share), high=max(high, share)))
        return shares

    def _parts(self, counts_N: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the weight of each draw, 0 where no row of it was looked at, and the share of its rows."""
        return np.where(self.rows_N > 0, self.weights_N, 0.0), counts_N / np.maximum(self.rows_N, 1)

    def _effective(self, counts_N: npt.NDArray[np.float64], share: float) -> float | None:
        """Return how many rows of a plain sample would tell as much; None where no difference is seen."""
        draws = len(counts_N)
        weights_N, parts_N = self._parts(counts_N)
        if draws < 2 or not 0 < share < 1:
            return None
        residuals_N = weights_N * (parts_N - share) / weights_N.sum()
        variance = float((residuals_N**2).sum()) * draws / (draws - 1)
        if variance <= 0:
            return None
        # few draws know their own variance badly: Student's quantile in place of the normal one
        from scipy.stats import norm, t  # noqa: PLC0415 - it takes half a second

        tail = 0.5 + CONFIDENCE / 2
        wider = float(norm.ppf(tail) / t.ppf(tail, draws - 1)) ** 2
        return float(min(share * (1 - share) / variance * wider, self.rows))
