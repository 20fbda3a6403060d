"""Evidence for the kernels: checks, compilation without a GPU, prices on a CPU, times on a GPU."""
