"""The compiled engine is untyped: functional, its only caller, knows what it asks for."""

from typing import Any

def __getattr__(name: str) -> Any: ...
