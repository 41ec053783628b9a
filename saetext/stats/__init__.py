"""Intervals, tests and false-discovery control for presence counts, vectorised over features.

Every function takes arrays of counts (one entry a feature, broadcast against each other) and returns
arrays of the same shape; none of them returns NaN. Not for: deciding what is counted, which rows pair, or
which features are worth a test; that is :mod:`saetext.analysis.differences` and
:mod:`saetext.analysis.cooccurrence`.
"""

from saetext.stats.association import joint_tail, joint_tail_exact, npmi, pearson_tails, phi
from saetext.stats.counts import normal_quantile
from saetext.stats.effects import Effects, OutcomeModel, gap, outcome_model
from saetext.stats.exact import fisher_exact_p, mcnemar_exact_p
from saetext.stats.means import mean_difference
from saetext.stats.multiple import PHistogram, benjamini_hochberg
from saetext.stats.proportions import newcombe, newcombe_paired, wilson
from saetext.stats.ranks import auc_interval
from saetext.stats.stratified import (
    Stratified,
    cmh_p,
    grouped_p,
    mantel_haenszel,
    odds_ratio,
    stratified_gap,
)
from saetext.stats.units import LEAST_CLOSE, Within, WithinUnits, curve, within_units
from saetext.stats.verdict import SHARE, explained, widening

__all__ = [
    "LEAST_CLOSE",
    "SHARE",
    "Effects",
    "OutcomeModel",
    "PHistogram",
    "Stratified",
    "Within",
    "WithinUnits",
    "auc_interval",
    "benjamini_hochberg",
    "cmh_p",
    "curve",
    "explained",
    "fisher_exact_p",
    "gap",
    "grouped_p",
    "joint_tail",
    "joint_tail_exact",
    "mantel_haenszel",
    "mcnemar_exact_p",
    "mean_difference",
    "newcombe",
    "newcombe_paired",
    "normal_quantile",
    "npmi",
    "odds_ratio",
    "outcome_model",
    "pearson_tails",
    "phi",
    "stratified_gap",
    "widening",
    "wilson",
    "within_units",
]
