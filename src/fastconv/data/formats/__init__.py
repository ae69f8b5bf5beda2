"""Readers of file formats: bytes in, checked arrays out. They know formats, not data sets."""
