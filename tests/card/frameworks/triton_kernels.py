"""with_triton.py's kernels: a (rows, inner) times b (inner, columns), in fp16, then a cheap GELU; once by pointers and once by
tensor descriptors. Block sizes are given: nothing is chosen by timing. For the interpreter, set TRITON_INTERPRET=1 before this
is imported."""
import triton
import triton.language as tl


@triton.jit
def by_pointers(a, b, out, inner: tl.constexpr, columns: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    depth = tl.arange(0, DEPTH)
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for start in range(0, inner, DEPTH):
        left = tl.load(a + row[:, None] * inner + (start + depth)[None, :])
        right = tl.load(b + (start + depth)[:, None] * columns + column[None, :])
        total += tl.dot(left, right)
    total = total * tl.sigmoid(1.702 * total)
    tl.store(out + row[:, None] * columns + column[None, :], total.to(tl.float16))


@triton.jit
def by_descriptors(a, b, out, inner: tl.constexpr, columns: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr):
    row, column = tl.program_id(0) * ROWS, tl.program_id(1) * COLUMNS
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for start in range(0, inner, DEPTH):
        total += tl.dot(a.load([row, start]), b.load([start, column]))
    total = total * tl.sigmoid(1.702 * total)
    out.store([row, column], total.to(tl.float16))
