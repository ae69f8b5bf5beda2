"""Build of the engine: csrc/ compiled once for the baseline and microkernels/kernels.c once per ISA and element type.

Metadata stands in pyproject.toml. Environment: CC and CFLAGS as usual; FASTCONV_CFLAGS is put after every other flag
(sanitizers, -g); FASTCONV_NO_OPENMP=1 builds without OpenMP.
"""

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
CSRC = Path("csrc")
KERNELS = CSRC / "microkernels" / "kernels.c"
FOLDERS = ("core", "conv", "pool", "ops", "microkernels")
DTYPES = {"f32": 0, "f64": 1}
NO_COMPILER = """\
fastconv needs a C compiler, and `{command}` could not build a one-line program:
{error}
Install gcc (or clang) and try again: `apt-get install build-essential` on Debian and Ubuntu,
`dnf install gcc` on Fedora, `xcode-select --install` on macOS; or name a compiler in the environment variable CC."""
NO_HEADERS = """\
fastconv needs the headers of this Python, and {header} does not exist.
Install them and try again: `apt-get install python3-dev` on Debian and Ubuntu,
`dnf install python3-devel` on Fedora."""
NO_MSVC = """\
fastconv's engine is GNU C and Microsoft's compiler cannot build it. Use Linux, macOS, or WSL on Windows."""


def rows(name: str) -> list[list[str]]:
    """Words of each row of a text file of csrc/."""
    lines = (line.split("#")[0].split() for line in (ROOT / CSRC / name).read_text().splitlines())
    return [words for words in lines if words]


FLAGS = [flag for row in rows("flags.txt") for flag in row]


def machine() -> str:
    """Name of this processor family as isas.txt spells it."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def read_isas() -> list[tuple[str, list[str]]]:
    """Rows (name, flags) of isas.txt meant for this machine, weakest first."""
    return [(row[0], row[2:]) for row in rows("isas.txt") if row[1] in ("any", machine())]


def run(command: list[str]) -> tuple[bool, str]:
    """Run a compiler; whether it succeeded, and what it printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        return False, str(error)
    return done.returncode == 0, done.stdout + done.stderr


def outdated(target: Path, command: list[str]) -> bool:
    """Whether target is missing, was made by another command, or is older than a file its depfile names."""
    stamp, depfile = target.with_suffix(".cmd"), target.with_suffix(".d")
    if not (target.exists() and depfile.exists() and stamp.exists()) or stamp.read_text() != shlex.join(command):
        return True
    made = target.stat().st_mtime
    names = depfile.read_text().replace("\\\n", " ").split(":", 1)[1].split()
    return any(not Path(name).exists() or Path(name).stat().st_mtime > made for name in names)


class BuildEngine(build_ext):
    """Compiles csrc/ in parallel, object by object where something changed, then lets setuptools link the extension."""

    def build_extension(self, ext: Extension) -> None:
        os.chdir(ROOT)
        if not hasattr(self.compiler, "compiler_so"):
            sys.exit(NO_MSVC)
        self.force = bool(self.force)
        self.probe_compiler()
        openmp = self.probe_openmp()
        isas = self.probe_isas()
        extra = shlex.split(os.environ.get("FASTCONV_CFLAGS", ""))
        ext.extra_objects = self.compile_engine(isas, openmp, extra)
        ext.depends = [*ext.extra_objects, str(CSRC / "fastconv.h")]
        ext.extra_compile_args = [*FLAGS, "-Wno-unused-parameter", *extra]
        ext.extra_link_args = ["-pthread", *openmp, *extra]
        ext.sources = self.cythonize(ext)
        super().build_extension(ext)

    def announce_line(self, text: str) -> None:
        print(f"fastconv: {text}", flush=True)

    def probe(self, code: str, flags: list[str], link: bool = False) -> tuple[bool, str]:
        """Try to compile (and link) a small program with these flags."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(code)
            made = Path(folder, "probe.o")
            done = run([*self.compiler.compiler_so, *flags, "-c", str(source), "-o", str(made)])
            if done[0] and link:
                done = run([*self.compiler.linker_so, *flags, str(made), "-o", str(Path(folder, "probe.so"))])
            return done

    def probe_compiler(self) -> None:
        works, error = self.probe("int fastconv_probe(void) { return 0; }\n", FLAGS, link=True)
        if not works:
            sys.exit(NO_COMPILER.format(command=shlex.join(self.compiler.compiler_so[:1]), error=error.strip()))
        header = Path(sysconfig.get_path("include"), "Python.h")
        if not header.exists():
            sys.exit(NO_HEADERS.format(header=header))

    def probe_openmp(self) -> list[str]:
        code = "#include <omp.h>\nint fastconv_probe(void) { return omp_get_max_threads(); }\n"
        if os.environ.get("FASTCONV_NO_OPENMP", "0") not in ("", "0"):
            self.announce_line("FASTCONV_NO_OPENMP is set: building serial, every call will run on one thread")
            return []
        if self.probe(code, ["-fopenmp"], link=True)[0]:
            return ["-fopenmp"]
        self.announce_line("this compiler has no OpenMP: building serial, every call will run on one thread")
        return []

    def probe_isas(self) -> list[tuple[str, list[str]]]:
        """The rows of isas.txt whose flags this compiler takes."""
        kept = []
        for name, flags in read_isas():
            if self.probe("int fastconv_probe(void) { return 0; }\n", flags)[0]:
                kept.append((name, flags))
            else:
                self.announce_line(f"the compiler refuses {shlex.join(flags)}: building without {name}")
        return kept

    def compile_engine(self, isas: list[tuple[str, list[str]]], openmp: list[str], extra: list[str]) -> list[str]:
        """Compile what changed, on all cores; the objects of the whole engine."""
        common = [*FLAGS, *openmp, f"-I{CSRC}"]
        have = [f"-DFC_HAVE_{name}=1" for name, _ in isas]
        jobs = [
            ("baseline", source, [*common, *have])
            for folder in FOLDERS
            for source in sorted((CSRC / folder).glob("*.c"))
            if source != KERNELS
        ]
        if KERNELS.exists():
            for name, flags in isas:
                for dtype, is_f64 in DTYPES.items():
                    macros = [f"-DFC_ISA={name}", f"-DFC_ISA_{name}=1", f"-DFC_DTYPE={dtype}", f"-DFC_F64={is_f64}"]
                    jobs.append((f"{name}_{dtype}", KERNELS, [*common, *flags, *macros]))
        jobs.sort(key=lambda job: job[1] != KERNELS)  # the longest first
        objects, commands = [], []
        for variant, source, flags in jobs:
            target = Path(self.build_temp, "engine", variant, source.relative_to(CSRC)).with_suffix(".o")
            depfile = target.with_suffix(".d")
            command = [*self.compiler.compiler_so, *flags, *extra, "-MMD", "-MF", str(depfile)]
            command += ["-c", str(source), "-o", str(target)]
            objects.append(str(target))
            if self.force or outdated(target, command):
                commands.append((target, command))
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            failed = [target for target, works in pool.map(self.compile_one, commands) if not works]
        if failed:
            sys.exit("fastconv: the engine did not compile: " + ", ".join(str(name) for name in failed))
        self.announce_line(f"{len(commands)} of {len(objects)} objects compiled; ISAs: {' '.join(n for n, _ in isas)}")
        return sorted(objects)

    def compile_one(self, job: tuple[Path, list[str]]) -> tuple[Path, bool]:
        target, command = job
        target.parent.mkdir(parents=True, exist_ok=True)
        works, printed = run(command)
        if printed:
            print(printed, file=sys.stderr, flush=True)
        if works:
            target.with_suffix(".cmd").write_text(shlex.join(command))
        else:
            target.unlink(missing_ok=True)
        return target, works

    def cythonize(self, ext: Extension) -> list[str]:
        from Cython.Build import cythonize

        directives = {"language_level": 3, "boundscheck": False, "wraparound": False, "embedsignature": True}
        [made] = cythonize(ext, build_dir=self.build_temp, compiler_directives=directives, force=self.force, quiet=True)
        return made.sources


def extension() -> Extension:
    import numpy

    return Extension(
        "fastconv._engine",
        ["src/fastconv/_engine.pyx"],
        include_dirs=[str(CSRC), numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
    )


# The benchmarks lie at the top of the tree and travel in the package, where `fastconv bench` finds them.
setup(
    packages=[
        *find_packages("src"),
        "fastconv.benchmarks",
        "fastconv.benchmarks.dropin",
        "fastconv.benchmarks.libraries",
    ],
    package_dir={"": "src", "fastconv.benchmarks": "benchmarks"},
    ext_modules=[extension()],
    cmdclass={"build_ext": BuildEngine},
)
