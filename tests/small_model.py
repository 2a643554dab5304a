"""A text and a model that train in a moment."""

VERSE = "the cat sat on the mat.\nthe dog sat on the log.\n" * 20
SMALL = ["--size", "8", "--embedding", "4", "--batch-size", "4", "--bptt", "5"]
