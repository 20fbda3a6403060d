"""Probes: linear heads on frozen features.

=========== ==================================================================================
logistic    `fit_logistic`, `cross_fit`: many logistic regressions on the same features at once
heads       `LogisticHeads`: what was fitted
checks      features, targets, weights and penalties that fit together
design      the features prepared once: centred, scaled, with their principal directions
descent     L-BFGS for many problems side by side
=========== ==================================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "heads": ["LogisticHeads"],
        "logistic": ["CrossFit", "cross_fit", "fit_logistic"],
    },
)
