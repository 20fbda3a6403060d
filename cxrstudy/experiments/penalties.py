"""Penalties of linear heads on standardised features, as scikit-learn's C."""

INVERSE_PENALTIES: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2)
"""Candidates for C; chosen by inner folds, never on a test fold."""

FIXED_INVERSE_PENALTY = 1e-4
"""C where many heads share one: what inner folds choose for report labels of the whole block."""

WEAK_INVERSE_PENALTY = 1e-2
"""C that holds hardly anything back."""
