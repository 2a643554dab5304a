"""Every task on the command line, a few steps each, in one process or in those of a launcher."""

import sys
from contextlib import suppress
from pathlib import Path

from ostinato.cli import main
from small_model import SMALL, VERSE

SMALL_MODEL = "--steps 6 --validate-every 3 --sample-every 0 --json --size 8"
# dropout would draw other masks in each process
SHORT = f"{SMALL_MODEL} --dropout 0"
# the last batch is a small one
DRAWN = f"{SHORT} --num-train 44 --num-held-out 10 --batch-size 9"
TEXT = f"text verse.txt {' '.join(SMALL)} {SHORT} --input-dropout 0"
COMMANDS = {
    "adding": f"adding {DRAWN} --num-steps 12",
    "copy": f"copy {DRAWN} --gap 3",
    "toy": f"toy {DRAWN} --kind variable --log-every 1",
    "cos": f"cos {SHORT} --num-values 100",
    "digits": f"digits {SHORT}",
    "attention": f"attention {SMALL_MODEL}",
    "classify": f"classify {SHORT}",
    "tag": f"tag words.csv --tokens space {SHORT} --batch-size 5",
    "series": f"series {SHORT}",
    "seq2seq": f"seq2seq --example reverse --num-pairs 60 {SHORT} --batch-size 9",
    "text": TEXT,
    "adaptive": f"{TEXT} --output adaptive --level word --cutoffs 4",
    "bidirectional": f"{TEXT} --direction both",
}
DRAWS = {"attention"}
"""Tasks that draw something else in each process: the places to look at."""


def write_data() -> None:
    """A text, and words with their kinds in sentences of unlike lengths."""
    Path("verse.txt").write_text(VERSE)
    kinds = {"the": "D", "cat": "N", "dog": "N", "sat": "V", "on": "P"}
    words = VERSE.replace(".", "").replace("mat", "cat").replace("log", "dog").split()
    starts = range(0, 200, 7)
    rows = [words[start : start + 1 + start % 6] for start in starts]
    lines = [f"{' '.join(row)},{' '.join(kinds[word] for word in row)}" for row in rows]
    Path("words.csv").write_text("\n".join(["text,label", *lines]))


def train(name: str, folder: str) -> None:
    """Train a task in a folder of that name."""
    sys.argv = ["ostinato", "train", *COMMANDS[name].split(), "--run", f"{folder}/{name}"]
    with suppress(SystemExit):  # which the program ends with, well or not
        main()


if __name__ == "__main__":
    for each in COMMANDS:
        train(each, "both")
