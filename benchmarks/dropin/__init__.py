"""Rows of bench_dropin.py, one file a host: each defines `ROWS`, and may define `MEAN_GOAL` for their mean."""
