"""Probes: linear heads on frozen features.

=========== ==================================================================================
logistic    `fit_logistic`, `cross_fit`: many logistic regressions on the same features at once
=========== ==================================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"logistic": ["CrossFit", "LogisticHeads", "cross_fit", "fit_logistic"]},
)
