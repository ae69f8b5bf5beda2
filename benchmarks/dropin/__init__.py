"""Rows of bench_dropin.py, one file a host: `ROWS`, and perhaps a `MEAN_GOAL` for their geometric mean."""
