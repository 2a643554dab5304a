"""The rewrites between a step and its kernels, each a function from one form to the next."""
