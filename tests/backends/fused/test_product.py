"""Own products equal NumPy's at odd sizes, for any strides, and write nothing but their own."""

import ctypes
import re

import numpy as np
import pytest
import torch

import ostinato
from ostinato import cells
from ostinato.backends.fused.native import compile, dense, parallel, product
from ostinato.backends.fused.native.script import Ref, Script
from ostinato.backends.fused.native.source import build, machine, tile

KINDS = ("f4", "f8")
# (columns, depth): one number, less than a panel, just a panel, one more, several depth blocks
SHAPES = ((1, 1), (7, 5), (16, 16), (17, 33), (100, 1), (26, 600), (145, 1030))
ROWS = (*range(1, 15), 31, 70, 192, 401)
# sums of up to 1030 products of normal numbers
TOLERANCE = {"f4": 2e-4, "f8": 4e-13}
AVX2 = ("haswell", "+avx,+avx2,+fma,+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2")


def function(name, kind):
    """One of the C functions as a callable of whole numbers."""
    count = product.ARGUMENTS[name]
    kind_of = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * count)
    return kind_of(product.address(name, kind))


def normal(*shape, kind):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(kind)


def pack(w, kind):
    """W in panels, by a call that must fill all of `out` and nothing beyond."""
    columns, depth = w.shape
    strides = (s // w.itemsize for s in w.strides)
    packed = np.full(product.packed_size(columns, depth, kind) + 1, np.nan, kind)
    function("pack", kind)(w.ctypes.data, *strides, columns, depth, packed.ctypes.data)
    assert np.isnan(packed[-1])
    return packed[:-1]


def layouts(columns, depth, kind):
    """The same shape with contiguous rows, contiguous columns, and neither."""
    return (
        normal(columns, depth, kind=kind),
        normal(depth, columns + 3, kind=kind).T[:columns],
        normal(columns, 2 * depth, kind=kind)[:, ::2],
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("columns", "depth"), SHAPES)
def test_pack(columns, depth, kind):
    width = product.PANEL[kind]
    for w in layouts(columns, depth, kind):
        panels = pack(w, kind).reshape(-1, depth, width)
        whole = panels.transpose(0, 2, 1).reshape(-1, depth)
        np.testing.assert_array_equal(whole[:columns], w)
        np.testing.assert_array_equal(whole[columns:], 0)


@pytest.mark.parametrize("accumulate", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("columns", "depth"), SHAPES)
def test_product_in_padded_rows(columns, depth, kind, accumulate):
    w = normal(columns, depth, kind=kind)
    packed, room = pack(w, kind), product.padded(columns, kind)
    for rows in ROWS:
        # the padding of A is poison, and that of C beyond the panels must survive
        a = np.full((rows, depth + 3), np.nan, kind)
        a[:, :depth] = normal(rows, depth, kind=kind)
        c = np.full((rows + 1, room + 2), np.nan, kind)
        if accumulate:
            c[:rows, :room] = 1
        function("padded", kind)(
            a.ctypes.data, depth + 3, packed.ctypes.data, c.ctypes.data, room + 2,
            rows, columns, depth, accumulate,
        )  # fmt: skip
        wanted = a[:, :depth].astype("f8") @ w.T.astype("f8") + accumulate
        np.testing.assert_allclose(c[:rows, :columns], wanted, rtol=0, atol=TOLERANCE[kind])
        np.testing.assert_array_equal(c[:rows, columns:room], accumulate)
        assert np.isnan(c[:rows, room:]).all()
        assert np.isnan(c[rows]).all()


@pytest.mark.parametrize("accumulate", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("columns", "depth"), SHAPES)
def test_product_among_other_columns(columns, depth, kind, accumulate):
    w = normal(columns, depth, kind=kind)
    packed = pack(w, kind)
    for rows in (1, 3, 7, 200):
        a = normal(rows, depth, kind=kind)
        c = np.full((rows, columns + 40), np.nan, kind)
        if accumulate:
            c[:, 5 : 5 + columns] = 1
        function("product", kind)(
            a.ctypes.data, depth, packed.ctypes.data, c[:, 5:].ctypes.data, columns + 40,
            rows, columns, depth, accumulate,
        )  # fmt: skip
        wanted = a.astype("f8") @ w.T.astype("f8") + accumulate
        got = c[:, 5 : 5 + columns]
        np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE[kind])
        assert np.isnan(c[:, :5]).all()
        assert np.isnan(c[:, 5 + columns :]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("columns", "depth"), SHAPES)
def test_strides_of_a_and_rows_without_padding(columns, depth, kind):
    w = normal(columns, depth, kind=kind)
    packed = pack(w, kind)
    for rows in (1, 2, 5, 13, 200):
        for a in (normal(depth, rows, kind=kind).T, normal(rows, 2 * depth, kind=kind)[:, ::2]):
            c = np.full(rows * columns + 1, np.nan, kind)
            strides = (s // a.itemsize for s in a.strides)
            function("strided", kind)(
                a.ctypes.data, *strides, packed.ctypes.data, c.ctypes.data, columns,
                rows, columns, depth, 0,
            )  # fmt: skip
            got = c[:-1].reshape(rows, columns)
            wanted = a.astype("f8") @ w.T.astype("f8")
            np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE[kind])
            assert np.isnan(c[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_nan_and_infinity(kind):
    w, a = normal(20, 30, kind=kind), normal(9, 30, kind=kind)
    a[2, 3], a[4, 5], w[7, 8] = np.nan, np.inf, np.nan
    c = np.empty((9, product.padded(20, kind)), kind)
    function("product", kind)(
        a.ctypes.data, 30, pack(w, kind).ctypes.data, c.ctypes.data, c.shape[1], 9, 20, 30, 0
    )
    with np.errstate(invalid="ignore"):
        wanted = a @ w.T
    np.testing.assert_array_equal(np.isnan(c[:, :20]), np.isnan(wanted))
    np.testing.assert_array_equal(np.isinf(c[:, :20]), np.isinf(wanted))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("accumulate", [False, True])
def test_dense(dtype, threads, accumulate, monkeypatch):
    monkeypatch.setattr(parallel, "num_threads", lambda: threads)
    monkeypatch.setattr(dense, "SMALL", 0)
    for rows, columns, depth in ((1, 1, 1), (5, 300, 7), (250, 45, 130), (33, 8, 9)):
        a = torch.randn(rows, depth, dtype=dtype)
        w = torch.randn(columns, depth, dtype=dtype)
        room = torch.full((rows, columns + 1), torch.nan, dtype=dtype)
        out = room[:, :columns]
        if accumulate:
            out.fill_(1)
        dense.matmul(a, w, out, accumulate=accumulate)
        torch.testing.assert_close(out, a @ w.t() + float(accumulate), rtol=1e-5, atol=1e-4)
        assert room[:, columns].isnan().all()
        gradient = torch.full((columns, depth), torch.nan, dtype=dtype)
        dense.matmul(out.t(), a.t(), gradient)
        torch.testing.assert_close(gradient, out.t() @ a, rtol=1e-4, atol=1e-3)


def test_tiles_fit_the_registers():
    for rows in range(1, tile.max_rows() + 1):
        assert rows * tile.max_panels(rows) <= max(machine.panel_rows(), 8)
    arity = {"product_f4": 9}
    assembly = build.assembly(product.TEXT, arity)
    loops = [block for block in re.split(r"\n(?=\.LBB)", assembly) if "vfmadd" in block]
    moves = re.compile(r"\tv?mov[au]p[sd]\t.*\(%rsp\)")
    # of 3 rows AVX2 has to move one of 12 sums, which costs less than a smaller tile
    assert len([block for block in loops if moves.search(block)]) <= 1


@pytest.mark.skipif("+avx2" not in compile.host()[1], reason="needs AVX2")
def test_tiles_of_another_machine(monkeypatch):
    """What AVX2 would get, which most newer machines run as well."""
    cached = (machine.target_machine, compile.fingerprint, product.address, product.compiled)
    monkeypatch.setattr(machine, "host", lambda: AVX2)
    monkeypatch.setattr(compile, "host", lambda: AVX2)
    for found in cached:
        found.cache_clear()
    try:
        assert machine.panel_rows() == 6
        test_product_in_padded_rows(145, 600, "f4", 1)
        test_strides_of_a_and_rows_without_padding(26, 33, "f8")
        arity = {"product_f4": 9}
        assert "zmm" not in build.assembly(product.TEXT, arity)
    finally:
        for found in cached:
            found.cache_clear()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("rows", "columns", "depth"), [(1, 96, 700), (31, 130, 1100), (800, 97, 40)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gathered_rows_give_the_same_bits(dtype, rows, columns, depth, threads):
    """D^T A, whose rows are gathered, against the product of a copy with rows as they are."""
    random = torch.Generator().manual_seed(rows)
    d = torch.randn(depth, rows, generator=random, dtype=dtype)
    a = torch.randn(depth, columns, generator=random, dtype=dtype)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        made = dense.matmul(d.t(), a.t(), torch.full((rows, columns), torch.nan, dtype=dtype))
        torch.set_num_threads(1)
        copied = d.t().contiguous()
        wanted = dense.matmul(copied, a.t(), torch.empty(rows, columns, dtype=dtype))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(made, wanted)
    torch.testing.assert_close(made, copied @ a, rtol=1e-4, atol=1e-3)


def test_caches_are_read_or_assumed(tmp_path, monkeypatch):
    sizes = [("index0", "Data", 1, "48K"), ("index1", "Instruction", 1, "32K")]
    for name, kind, level, size in [*sizes, ("index2", "Unified", 2, "2048K")]:
        place = tmp_path / name
        place.mkdir()
        for file, text in (("type", kind), ("level", str(level)), ("size", size)):
            (place / file).write_text(f"{text}\n")
    monkeypatch.setattr(machine, "CACHES", tmp_path)
    assert (machine.cache.__wrapped__(1), machine.cache.__wrapped__(2)) == (48 << 10, 2 << 20)
    monkeypatch.setattr(machine, "CACHES", tmp_path / "none")
    assert machine.cache.__wrapped__(2) == machine.UNKNOWN[2]


def test_blocks_suit_all_tiles():
    assert machine.row_block() % tile.usual_rows() == 0
    assert machine.row_block() >= tile.few_rows() >= tile.max_rows()
    assert machine.depth_block() * 64 <= machine.cache(1)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("columns", "depth"), [(16, 3), (144, 700), (512, 1100)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_that_are_read_where_they_lie(dtype, columns, depth, threads):
    """A row times a matrix, which is not packed: the bits of the product with one that is."""
    random = torch.Generator().manual_seed(depth)
    row = torch.randn(1, depth, generator=random, dtype=dtype)
    d = torch.randn(depth, columns + 3, generator=random, dtype=dtype)[:, :columns]
    kind, out = dense.KINDS[dtype], torch.full((1, columns), torch.nan, dtype=dtype)
    script = Script()
    left, right = dense.Matrix(Ref("row"), depth), dense.Matrix(Ref("d"), columns + 3)
    into, size = dense.Matrix(Ref("out"), columns), (1, columns, depth)
    dense.multiply(script, left, right, into, size, kind, threads)
    ready, blocks = script.finish(), {"row": row, "d": d, "out": out}
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        ready.run([blocks[str(name)].data_ptr() for name in ready.blocks])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(out, dense.matmul(row, d.t(), torch.empty(1, columns, dtype=dtype)))
    torch.testing.assert_close(out, row @ d, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("hidden", [4, 16, 20])
@pytest.mark.parametrize("kind", [cells.LSTM, cells.GRU, cells.Elman])
def test_gradients_of_a_weight_of_one_column(kind, hidden):
    cell, xs = kind(1, hidden), torch.randn(40, 7, 1)
    lengths = torch.randint(1, 41, (7,), generator=torch.Generator().manual_seed(0))
    for given in ({}, {"lengths": lengths}):
        found = [
            torch.autograd.grad(
                ostinato.unroll(cell, xs, backend=name, **given)[0].square().sum(),
                list(cell.parameters()),
            )
            for name in ("fused", "eager")
        ]
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
