"""Compiled code in memory: building, caching and calling it."""
