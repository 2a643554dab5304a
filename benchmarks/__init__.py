"""Speed, measured: ratios of ours to a peer, from runs in turn in one process.

``python -m benchmarks`` runs them all and writes docs/benchmarks.md. The tests time nothing.
"""
