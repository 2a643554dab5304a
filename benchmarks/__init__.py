"""Speed and memory, measured: ratios of ours to its peers, from runs in turn in one process.

``python -m benchmarks`` measures everything and writes docs/benchmarks.md with its pictures;
``python -m benchmarks layers cells`` measures these parts and writes the page anew around them;
``--quick`` tries everything once at its smallest size and writes nothing, and ``--page`` measures
nothing and only writes the page. Peers that are not installed are left out, and the page says so:
``pip install -e ".[bench]"`` has them all.

A part is a file with a `Part` in it: a function that measures rows (dicts that JSON can keep), one
that shows them as Markdown, and perhaps one that draws them. To add one, write the file, and name
it in `parts.PARTS`, which the command line, the page and the test read. Its figures go through
`benchmarks/results/CPU/NAME.json` and nowhere else, in a folder for each kind of CPU; the page has
a table for each.

`product.py` and `fit_maths.py` stand apart: tools for who works on the compiler.
"""
