"""What `benchmarks.kernels` times, with which clock, and where the rows go."""
