"""No vector is spilled in the inner loops: the compiled kernels of every x86 instruction set are disassembled, and
no innermost loop of multiply-adds of a register-tile kernel may move a vector register to the stack or back."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import package_build
import pytest

CSRC = Path(__file__).parents[2] / "csrc"
KERNELS = re.compile(r"fc_(outer|corr|product|stencil|dot|integer_sums|integer_depthwise)_")
ISAS = ("sse2", "avx2", "avx512")
# Without a fused multiply-add the products of twelve sums and more need a seventeenth register: one is loaded again for
# every twelve multiply-adds. The set is built for size.
EXCUSED = {"sse2": re.compile(r"_4x3_|_dot_3x4_|_sweep_4_|outer_row_1_|stencil_4_")}

HEAD = re.compile(r"^[0-9a-f]+ <(.+)>:$")
LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")
MULTIPLY = re.compile(r"^v?((fn?m(add|sub)\d*|mul)[sp][sd]|pmaddwd)$")
VECTOR = re.compile(r"%[xyz]mm")

SPILLING = r"""
void spilling(const float *a, float *b, long n) {
    typedef float vec __attribute__((vector_size(16)));
    vec sum[20] = {0};
    for (long i = 0; i < n; ++i)
#pragma GCC unroll 20
        for (int s = 0; s < 20; ++s) sum[s] += a[20 * i + s] * *(const vec *)(a + 4 * i);
#pragma GCC unroll 20
    for (int s = 0; s < 20; ++s) *(vec *)(b + 4 * s) = sum[s];
}
void tidy(const float *a, float *b, long n) {
    typedef float vec __attribute__((vector_size(16)));
    vec sum = {0};
    for (long i = 0; i < n; ++i) sum += *(const vec *)(a + 4 * i) * *(const vec *)(b + 4 * i);
    *(vec *)b = sum;
}
"""


@dataclass(frozen=True)
class Instruction:
    address: int
    name: str
    operands: str

    @property
    def target(self):
        """Where a jump inside a function goes, or None."""
        found = re.match(r"([0-9a-f]+) <", self.operands) if self.name.startswith("j") else None
        return int(found[1], 16) if found else None


def functions(listing):
    """Name -> instructions of each function of an objdump listing."""
    made, code = {}, None
    for line in listing.splitlines():
        if head := HEAD.match(line):
            code = made.setdefault(head[1], [])
        elif code is not None and (found := LINE.match(line)):
            code.append(Instruction(int(found[1], 16), found[2], found[3]))
    return made


def blocks(code):
    """Basic blocks, as runs of instructions, and the blocks that each leads to."""
    at = {instruction.address: i for i, instruction in enumerate(code)}
    starts = {0} | {at[i.target] for i in code if i.target in at}
    starts |= {n + 1 for n, i in enumerate(code) if i.name.startswith(("j", "ret")) and n + 1 < len(code)}
    firsts = sorted(starts)
    number = {first: n for n, first in enumerate(firsts)}
    runs = [code[first:end] for first, end in zip(firsts, [*firsts[1:], len(code)], strict=True)]
    edges = []
    for n, run in enumerate(runs):
        last = run[-1]
        to = [number[at[last.target]]] if last.target in at else []
        if not last.name.startswith(("jmp", "ret")) and n + 1 < len(runs):
            to.append(n + 1)
        edges.append(to)
    return runs, edges


def dominators(edges):
    """For each block that the first one leads to: the blocks that every way to it passes, and those right before it."""
    before, waiting = {0: []}, [0]
    while waiting:
        block = waiting.pop()
        for to in edges[block]:
            if to not in before:
                before[to] = []
                waiting.append(to)
            before[to].append(block)
    above = {block: set(before) for block in before}
    above[0], changed = {0}, True
    while changed:
        changed = False
        for block in sorted(before.keys() - {0}):
            now = set.intersection(*(above[b] for b in before[block])) | {block}
            changed |= now != above[block]
            above[block] = now
    return above, before


def innermost_loops(code):
    """The instructions of each loop that holds no other loop: what leads back to a block without passing out of it."""
    runs, edges = blocks(code)
    above, before = dominators(edges)
    loops = {}
    for end, passed in above.items():
        for head in passed.intersection(edges[end]):
            body, waiting = loops.setdefault(head, {head}), [end]
            while waiting:
                block = waiting.pop()
                if block not in body:
                    body.add(block)
                    waiting += before[block]
    for head, body in loops.items():
        if not any(other != head and other in body for other in loops):
            yield [instruction for block in sorted(body) for instruction in runs[block]]


def spills(code):
    """Instructions of the innermost loops of multiply-adds that move a vector register to or from the stack."""
    framed = any(i.name == "mov" and i.operands == "%rsp,%rbp" for i in code)
    stack = re.compile(r"\(%r[sb]p" if framed else r"\(%rsp")
    for loop in innermost_loops(code):
        if any(MULTIPLY.match(i.name) for i in loop):
            yield from (i for i in loop if VECTOR.search(i.operands) and stack.search(i.operands))


def disassemble(objects):
    done = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(objects)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return functions(done.stdout)


@pytest.fixture(scope="module")
def tools():
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("reads x86 assembly")
    missing = [name for name in ("make", "cc", "objdump") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


@pytest.fixture(scope="module")
def kernels(tools, tmp_path_factory):
    """The kernels of every x86 instruction set with the flags of the package; (isa, element type) -> functions.

    SSE2 ships built for size, where the compiler keeps sums in memory as it sees fit: what is looked at is whether its
    tiles fit the registers.
    """
    folder = tmp_path_factory.mktemp("kernels")
    names = {(isa, dtype): folder / f"kernels_{isa}_{dtype}.o" for isa in ISAS for dtype in ("f32", "f64")}
    command = ["make", "-s", f"-j{os.cpu_count()}", "-C", str(CSRC), f"OUT={folder}", f"CC={package_build.compiler()}"]
    for flags, isas in (([], ("avx2", "avx512")), (["CFLAGS=-O2"], ("sse2",))):
        wanted = [str(path) for (isa, _), path in names.items() if isa in isas]
        done = subprocess.run([*command, *flags, *wanted], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return {name: disassemble(path) for name, path in names.items()}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("isa", ISAS)
def test_inner_loops_spill_no_vector(kernels, isa, dtype):
    checked, wrong = 0, []
    for name, code in kernels[isa, dtype].items():
        if KERNELS.match(name):
            checked += any(MULTIPLY.match(i.name) for loop in innermost_loops(code) for i in loop)
            if isa in EXCUSED and EXCUSED[isa].search(name):
                continue
            wrong += [f"{name}: {i.address:x}: {i.name} {i.operands}" for i in spills(code)]
    assert checked > 30, "the kernels' loops were not found"
    assert not wrong, "\n".join(wrong)


def test_a_spill_is_seen(tools, tmp_path):
    source = tmp_path / "spilling.c"
    source.write_text(SPILLING)
    made = source.with_suffix(".o")
    subprocess.run(["cc", "-O3", "-msse2", "-c", str(source), "-o", str(made)], check=True)
    found = disassemble(made)
    assert list(spills(found["spilling"]))
    assert list(innermost_loops(found["tidy"]))
    assert not list(spills(found["tidy"]))
