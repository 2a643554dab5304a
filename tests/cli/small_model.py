"""Flags of a model that trains in a moment."""

SMALL = ["--size", "8", "--embedding", "4", "--batch-size", "4", "--bptt", "5"]
