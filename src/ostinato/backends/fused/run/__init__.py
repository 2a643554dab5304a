"""Calls of compiled cells: rows, memory, scripts and gradients."""
