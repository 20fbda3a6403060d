"""Probes: linear heads on frozen features.

=========== ==================================================================================
logistic    `fit_logistic`: many logistic regressions on the same features at once
out_of_fold `cross_fit`, `cross_fit_nested`: for every fold, penalties chosen on the rest
heads       `LogisticHeads`: what was fitted
checks      features, targets, weights, penalties and folds that fit together
design      the features prepared once: centred, scaled, with their principal directions
descent     L-BFGS for many problems side by side
=========== ==================================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "heads": ["LogisticHeads", "join_heads"],
        "logistic": ["fit_logistic"],
        "out_of_fold": ["CrossFit", "cross_fit", "cross_fit_nested"],
    },
)
