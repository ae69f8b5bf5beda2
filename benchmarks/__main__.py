"""``python -m benchmarks [layers|filters|pools|dropin|memory|error|naive|lenet_epoch|import] [options]``: runs one
benchmark, by default the comparison with other libraries."""

import os
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    names = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    name = "layers"
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        name = sys.argv.pop(1)
    if name not in names:
        print(f"benchmarks: there is no benchmark {name!r}; choose one of {', '.join(names)}", file=sys.stderr)
        raise SystemExit(2)
    # The benchmarks are scripts that import each other by name.
    sys.path.insert(0, str(HERE))
    sys.argv[0] = str(HERE / f"bench_{name}.py")
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except KeyboardInterrupt:
        print(f"bench_{name}: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Whoever read our output has gone; what is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(141) from None


main()
