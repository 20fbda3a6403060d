"""GPU kernels in Triton, each beside the reference that says what it must compute.

Call a family's function; it runs its kernel where its tensors lie on a GPU and Triton is
installed, and its reference anywhere else. Both give the same numbers.

=============== =============================================================================
bce             `MaskedBCE`: label codes, uncertainty policy, smoothing, positive weights
distill         `DistillationLoss`: hard cross-entropy and softened divergence
augment         `augment_views`: images gathered, moved, cropped and normalised in one pass
resample        `multiplicities`: how often each unit is drawn, on the CPU engine's stream
bootstrap       `count_intervals`: percentile intervals of count metrics, for millions of draws
quantiles       `column_quantiles`: two histograms in place of a sort
ranking         `replicate_rankings`: AUROC and average precision of all replicates
roofline        bytes, instructions and the least time that a card can take
prices          what the naive versions cost on the CPU at hand
checks          every kernel against its reference, on a GPU or under the interpreter
specimens       every kernel with its block sizes, for compiling without a GPU
offline         registers, stack and instructions of a kernel compiled without a GPU
dispatch        which of the two paths a call took: `watch_paths`
=============== =============================================================================

The references of `bootstrap` and `ranking` are the compiled engine of `cxrstudy.agreement`, which
needs no torch and therefore never imports this package.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augment": ["Augmentation", "augment_views"],
        "bce": ["MaskedBCE", "masked_bce"],
        "bootstrap": ["count_intervals"],
        "dispatch": ["watch_paths"],
        "distill": ["DistillationLoss", "distillation_loss"],
        "ranking": ["replicate_rankings"],
        "resample": ["multiplicities"],
    },
)
