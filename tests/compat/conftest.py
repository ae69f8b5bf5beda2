"""The helpers of the hosts' suites lie beside the tests, which are imported by path."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
