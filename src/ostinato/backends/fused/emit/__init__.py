"""From a finished plan to the text of its kernels."""
