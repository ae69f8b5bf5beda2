"""Benchmarks: shapes, scripts, and what they share. `python -m benchmarks` or `fastconv bench` runs one."""
