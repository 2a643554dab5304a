"""Whether runs can be trusted: faults, hostile files and long use, tried again and again.

``python -m benchmarks trust`` does all of it, which takes hours, and writes docs/trust.md after
each check; ``python -m benchmarks trust flips kills`` does these, ``--quick`` tries each a few
times and writes nothing, ``--minutes 10`` stops each check after that time, and so do Ctrl-C and
SIGTERM: what was tried until then counts. The numbers lie in ``benchmarks/trust/results/``.

A check is a file with a `Check` in it: a generator of outcomes, each a case and how it ended. To
add one, write the file and name it in `checks.CHECKS`, which the command, the page and the test
read.
"""
