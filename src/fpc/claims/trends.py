"""How a quantity follows an option of an experiment, by seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata

from fpc.claims.claim import Measurement, NotTestable
from fpc.claims.measures import one_sample
from fpc.core.statistics import Array


def rank_correlation(groups: Mapping[float, Array]) -> Measurement:
    """Each seed's Spearman correlation between a quantity and an option.

    Args:
        groups: value of the option -> quantity ``[seeds]``, with seeds in the same order.

    The correlation of a seed whose quantity is constant counts as 0.

    Raises:
        NotTestable: the option has fewer than two values, or their numbers of seeds differ.
    """
    options = sorted(groups)
    if len(options) < 2:
        raise NotTestable(f"one value of the option only: {', '.join(f'{key:g}' for key in options)}")
    if len({len(values) for values in groups.values()}) > 1:
        raise NotTestable("values of the option differ in their number of seeds")
    ranks = rankdata(np.stack([groups[key] for key in options], axis=1), axis=1) - (len(options) + 1) / 2
    option_ranks = np.arange(len(options)) - (len(options) - 1) / 2
    scale = np.linalg.norm(ranks, axis=1) * np.linalg.norm(option_ranks)
    by_seed: Array = np.divide(ranks @ option_ranks, scale, out=np.zeros(len(ranks)), where=scale > 0)
    return one_sample(by_seed, f"values {', '.join(f'{key:g}' for key in options)}")
