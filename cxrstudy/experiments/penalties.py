"""Penalties of linear heads on standardised features, as scikit-learn's C."""

# Candidates, chosen by inner folds, never on a test fold.
INVERSE_PENALTIES: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2)

# Where many heads share one: what inner folds choose for report labels of the whole block.
FIXED_INVERSE_PENALTY = 1e-4

# Holds hardly anything back.
WEAK_INVERSE_PENALTY = 1e-2
