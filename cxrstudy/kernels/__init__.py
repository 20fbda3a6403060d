"""GPU kernels in Triton, each beside the reference that says what it must compute.

Call a family's function; it runs its kernel where its tensors lie on a GPU and Triton is
installed, and its reference anywhere else. Both give the same numbers.

=========== =================================================================================
bce         `masked_bce`: label codes, uncertainty policy, smoothing, positive weights
distill     `distillation_loss`: hard cross-entropy and softened divergence
augment     `augment_views`: images gathered, moved, cropped and normalised in one pass
resample    `multiplicities`: how often each unit is drawn, on the CPU engine's random stream
replicates  count metrics of all replicates; registered with `cxrstudy.agreement`
ranking     AUROC and average precision of all replicates; registered as well
one_pass    what both losses share; compiler, dispatch: where a kernel can run, and which path ran
=========== =================================================================================

The references of the last two families are the CPU engine of `cxrstudy.agreement`, which needs no
torch and never imports this package: importing `cxrstudy.kernels.replicates` registers them there.
"""
