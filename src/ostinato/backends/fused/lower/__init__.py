"""From recorded torch ops to values, one rule for each op, by kind of op a file."""
