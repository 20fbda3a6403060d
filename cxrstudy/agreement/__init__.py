"""Agreement between labels, with an interval for every number.

=================== ==========================================================================
compare             `agree`: methods against a truth, on shared bootstrap resamples
resampling          `Resampling`: replicates, seed, clusters, strata and weights
result              `Estimate` and `Agreement`: value, interval, p-value, paired difference, table
counts              F1, precision, recall, specificity, kappa, MCC, Youden, accuracy from counts
ranking             AUROC and average precision with ties
intervals           percentile and BCa intervals, p-values by inversion
=================== ==========================================================================
"""

from .compare import agree
from .counts import COUNT_METRICS, count_metric
from .intervals import bca_interval, bootstrap_p_value, percentile_interval
from .resampling import DEFAULT_RESAMPLING, Resampling
from .result import MACRO_AVERAGE, WEIGHTED_AVERAGE, Agreement, Estimate
from .visits import RANKING_METRICS

__all__ = [
    "COUNT_METRICS",
    "DEFAULT_RESAMPLING",
    "MACRO_AVERAGE",
    "RANKING_METRICS",
    "WEIGHTED_AVERAGE",
    "Agreement",
    "Estimate",
    "Resampling",
    "agree",
    "bca_interval",
    "bootstrap_p_value",
    "count_metric",
    "percentile_interval",
]
