"""The loops that make noise on CPU: NumPy and compiled code to the last bit, ChaCha by its definition, polynomials."""

import hashlib
import subprocess
import sys

import mpmath as mp
import numpy as np
import pytest

from smoothing import filling, kernels
from smoothing.compiling import compiled, compiled_resize
from smoothing.filling import fill
from smoothing.kernels import BLOCKS, CHUNK, NO_TABLE
from smoothing.noises.exp_power import _quantiles

TABLE = _quantiles(3)
LAWS = {
    "uniform": (kernels.uniform, NO_TABLE, 0.0),
    "exponential": (kernels.exponential, NO_TABLE, 0.0),
    "laplace": (kernels.laplace, NO_TABLE, 0.0),
    "normal": (kernels.normal, NO_TABLE, 0.0),
    "table": (kernels.laplace, TABLE.lines, 0.0),
    "pareto": (kernels.pareto, NO_TABLE, 1 / 3),
    "heavy pareto": (kernels.pareto, NO_TABLE, 20.0),
}
SIZES = (0, 1, 2, 511, 512, 513, CHUNK - 1, CHUNK, CHUNK + 1, 64 * CHUNK, 64 * CHUNK + 1, 200 * CHUNK + 777)


def numbers(path, name, size, seed, block, scale, monkeypatch):
    """By NumPy or by compiled loops."""
    monkeypatch.setattr(filling, "_loops", {})
    monkeypatch.setattr(filling, "_PATIENCE", {"numpy": np.inf, "compiled": 0}[path])
    law, lines, rate = LAWS[name]
    room = np.full(size + 2, np.nan, np.float32)
    end = fill(law, seed, block, room[1:-1], scale, lines, rate)
    assert end == block + -(-size // CHUNK) * BLOCKS
    assert np.isnan(room[[0, -1]]).all() and not np.isnan(room[1:-1]).any()
    return room[1:-1]


@pytest.fixture(scope="module")
def numba():
    return pytest.importorskip("numba")


@pytest.mark.parametrize("name", LAWS)
def test_both_paths_give_the_same_bits(name, numba, monkeypatch):
    """At every size, seed and offset, also where the counter's low half ends; zeros keep their signs."""
    for size in SIZES:
        for seed, block, scale in (
            (0, 0, 1.0),
            (2**64 - 3, 2**32 - 2 * BLOCKS, 0.37),
            (5 << 40, BLOCKS, 1e-30),
        ):
            one, other = (
                numbers(path, name, size, seed, block, scale, monkeypatch) for path in ("numpy", "compiled")
            )
            assert np.array_equal(one.view(np.int32), other.view(np.int32))


@pytest.mark.parametrize("name", LAWS)
def test_both_paths_give_the_same_bits_for_extreme_words(name, numba):
    """Words next to every power of two of either sign, the partner each of them too: the ends of all intervals."""
    powers = (1 << np.arange(31)).astype(np.int64)
    words = np.unique(np.add.outer(np.concatenate((powers, -powers)), np.arange(-2, 3)))
    words = np.append(words, [2**31 - 1, -(2**31)])
    words = words[(words >= -(2**31)) & (words < 2**31)].astype(np.int32)
    first, second = (np.ascontiguousarray(w.ravel()) for w in np.meshgrid(words, words))
    law, lines, rate = LAWS[name]
    compiled(law)  # what it is made of can now be compiled
    tabulated, power = len(lines) > 0, rate > 0

    @numba.njit
    def loop(first, second, out, scale, lines):
        for i in range(len(first)):
            out[0, i], out[1, i] = law(first[i], second[i], scale)
            if tabulated:
                out[0, i] = on_line(out[0, i], scale, lines[interval(out[0, i])])
                out[1, i] = on_line(out[1, i], scale, lines[interval(out[1, i])])
            if power:
                out[0, i], out[1, i] = through_expm1(out[0, i], scale), through_expm1(out[1, i], scale)

    interval, on_line, through_expm1 = kernels.interval, kernels.on_line, kernels.through_expm1
    out, scale = np.empty((2, len(first)), np.float32), np.float32(rate if power else 1)
    loop(first, second, out, scale, lines)
    plain = law(first, second, scale)
    if tabulated:
        plain = [on_line(x, scale, lines[interval(x)]) for x in plain]
    if power:
        with np.errstate(over="ignore"):
            plain = [through_expm1(x, scale) for x in plain]
    assert np.array_equal(out.view(np.int32), np.array(plain).view(np.int32))
    assert np.isfinite(out).all()


@pytest.mark.parametrize("exponent", [1, 2, np.inf])
@pytest.mark.parametrize("dim", [1, 2, 3, 63, 64, 65, 127, 784, 3072, 150_528])
def test_both_paths_resize_to_the_same_bits(dim, exponent, numba):
    """Tiny, usual and huge rows, one of zeros, to lengths from 0 to infinity; where floats allow, by float64's norm."""
    rng = np.random.default_rng(dim)
    resize = compiled_resize()
    for n in (0, 1, 2, 301):
        n = min(n, 2 + 2**20 // dim)
        for scale in (1e-38, 1e-30, 1.0, 1e30):
            rows = (rng.laplace(size=(n, dim)) * scale).astype(np.float32)
            rows[1:2] = 0
            for lengths in (np.exp(rng.normal(0, 2, n)), np.exp(rng.normal(0, 100, n)), np.full(n, np.inf)):
                one, other = rows.copy(), rows.copy()
                filling._resize_by_numpy(one, lengths, 0.7, exponent)
                resize(other, lengths, 0.7, exponent)
                assert np.array_equal(one.view(np.int32), other.view(np.int32))
                assert not np.isnan(one).any() and not one[1:2].any()
                if scale == 1:
                    assert np.isfinite(one).all()
            if scale in (1, 1e30):
                filling._resize_by_numpy(rows, lengths := np.exp(rng.normal(0, 2, n)), 0.7, exponent)
                norms = np.linalg.norm(rows.astype(np.float64), ord=exponent, axis=1)
                lengths[1:2] = 0
                assert np.allclose(norms, 0.7 * lengths, rtol=3e-7, atol=0)


def test_the_path_of_resizing_follows_the_clock(numba, monkeypatch):
    rows, lengths = np.ones((5, 3), np.float32), np.ones(5)
    monkeypatch.setattr(filling, "_resizes", [])
    monkeypatch.setattr(filling, "_PATIENCE", np.inf)
    filling.resize(rows, lengths, 2.0, 1)
    assert not filling._resizes and np.allclose(rows, 2 / 3)
    monkeypatch.setattr(filling, "_PATIENCE", 0)
    filling.resize(rows, lengths, 1.0, np.inf)
    assert filling._resizes[0] is not filling._resize_by_numpy and (rows == 1).all()
    monkeypatch.setattr(filling, "_resizes", [])
    monkeypatch.setitem(sys.modules, "numba", None)
    filling.resize(rows, lengths, 3.0, 2)
    assert filling._resizes == [filling._resize_by_numpy] and np.allclose(rows, np.sqrt(3))


def test_expm1_within_a_few_ulp():
    """Against float64's, from e^-27 on, and with scales that bring what overflows back, or less; then the largest."""
    y = np.concatenate([np.linspace(0, 176, 300_001), 10.0 ** np.linspace(-12, 2.24, 100_001)]).astype(
        np.float32
    )
    largest = np.finfo(np.float32).max
    for scale in map(np.float32, (1.0, 0.37, 1e-37, 1e30)):
        with np.errstate(over="ignore"):
            found = kernels.through_expm1(y, scale)
        exact = np.minimum(np.expm1(y.astype(np.float64)) * np.float64(scale), largest)
        normal = exact > 2e-38
        assert (abs(found - exact)[normal] < 2.2e-7 * exact[normal]).all()
    with np.errstate(over="ignore"):
        assert (
            kernels.through_expm1(np.float32([-200, 1e5]), np.float32(1.2e-38)) == [-largest, largest]
        ).all()


def chacha(state, rounds):
    """A block by Bernstein's definition, in Python's integers."""

    def quarter(a, b, c, d):
        for i, j, k, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[i] = (x[i] + x[j]) % 2**32
            x[k] ^= x[i]
            x[k] = (x[k] << n | x[k] >> (32 - n)) % 2**32

    x = list(state)
    for turn in range(rounds):
        for i in range(4):
            step = turn % 2
            quarter(i, 4 + (i + step) % 4, 8 + (i + 2 * step) % 4, 12 + (i + 3 * step) % 4)
    return [(new + old) % 2**32 for new, old in zip(x, state, strict=True)]


CONSTANTS = list(np.frombuffer(b"expand 32-byte k", "<u4").tolist())


def test_the_definition_by_published_blocks():
    """RFC 8439, 2.3.2, with 20 rounds; draft-strombergson-chacha-test-vectors, TC1 of 256 bits, with 8."""
    key, nonce = bytes(range(32)), bytes.fromhex("000000090000004a00000000")
    state = CONSTANTS + np.frombuffer(key + b"\1\0\0\0" + nonce, "<u4").tolist()
    assert np.array(chacha(state, 20), "<u4").tobytes().hex().startswith("10f1e7e4d13b5915500fdd1fa32071c4")
    block = np.array(chacha(CONSTANTS + [0] * 12, 8), "<u4").tobytes().hex()
    assert block.startswith("3e00ef2f895f40d67f5bb8e81f09a5a12c840ec3ce9a7f3b181be188ef711a1e")


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1, 0x0123456789ABCDEF])
def test_words_are_those_of_chacha8(seed):
    """Word k of block b stands at place b of row k; the laws above share them with compiled loops."""
    for block in (0, 2**32 - BLOCKS, 2**32):
        words = filling._words(seed & 0xFFFFFFFF, seed >> 32, block, 1).reshape(16, BLOCKS)
        for i in (0, 1, BLOCKS - 1):
            key = [seed & 0xFFFFFFFF, seed >> 32, *[0] * 6]
            expected = chacha(CONSTANTS + key + [(block + i) % 2**32, (block + i) >> 32, 0, 0], 8)
            assert (words[:, i].astype(np.int64) % 2**32).tolist() == expected


def test_exponentials_within_an_ulp():
    """Of -log of the rounded argument, by mpmath at words of all sizes; the largest is 32 log 2."""
    rng = np.random.default_rng(0)
    words = (2.0 ** rng.uniform(0, 31, 4000)).astype(np.int64).clip(0, 2**31 - 1)
    words = np.concatenate([words, [0, 1, 2**31 - 1], 2**31 - 1 - words[:1000]]).astype(np.int32)
    for word, e in zip(words, kernels.exponential(words, words, np.float32(1))[0], strict=True):
        u = mp.mpf(float((np.float32(word) + np.float32(0.5)) * np.float32(2.0**-31)))
        assert abs(u * 2**32 - (2 * int(word) + 1)) <= 2 * int(word) * 2.0**-24 + 1  # the law's lattice
        exact = -mp.log(u)
        assert abs(float(e) - exact) <= float(np.spacing(np.float32(exact)))
    assert kernels.exponential(np.zeros(1, np.int32), words[:1], np.float32(1))[0] == np.float32(
        32 * np.log(2)
    )


def test_sines_within_two_ulp():
    """Against float64's, from the smallest angle to the right one."""
    x = np.concatenate([np.linspace(2.0**-20, 1, 1_000_000), 2.0 ** -np.linspace(0, 31, 10_000)]).astype(
        np.float32
    )
    exact = np.sin(np.pi / 2 * x.astype(np.float64))
    assert (abs(kernels._sine(x) - exact) <= 2 * np.spacing(exact.astype(np.float32))).all()


def test_normals_are_box_muller():
    """Of some word and its partner, in float64: radius sqrt(-2 log u), angle of two signs and 30 bits."""
    words = filling._words(11, 0, 0, 4)
    first, second = (words[:, half].ravel().astype(np.int64) for half in (0, 1))
    radius = np.sqrt(-2 * np.log((2 * (first % 2**31) + 1) / 2.0**32))
    angle = np.pi / 2 * (2 * (second % 2**30) + 1) / 2.0**31
    expected = (
        radius * np.cos(angle) * np.where(second < 0, -1, 1),
        radius * np.sin(angle) * np.where(second % 2**31 >= 2**30, -1, 1),
    )
    got = kernels.normal(words[:, 0].ravel(), words[:, 1].ravel(), np.float32(1))
    # near u = 1 the rounding of u shows in the radius
    assert np.allclose(got, expected, rtol=3e-7, atol=2e-4)
    far = radius > 0.5
    assert np.allclose(np.array(got)[:, far], np.array(expected)[:, far], rtol=1e-6, atol=0)


def test_the_noise_of_a_seed_stays():
    """Digests of bits, whatever the machine: a change would move every vote."""
    found = {}
    for name, (law, lines, rate) in LAWS.items():
        out = np.empty(3000, np.float32)
        fill(law, 2026, 0, out, 0.5, lines, rate)
        found[name] = hashlib.sha256(out.astype("<f4").tobytes()).hexdigest()[:16]
    del found["table"]  # SciPy's quantiles may change
    assert found == {
        "uniform": "cec939dc48547c46",
        "exponential": "0def3dbedc22d5bd",
        "laplace": "595674233966052c",
        "normal": "1bc352ac797a5602",
        "pareto": "c40c85bdbdda867f",
        "heavy pareto": "2d5f9e4653f6715d",
    }


@pytest.mark.parametrize(
    ("exponent", "digest"), [(1, "b1cf7a132e370665"), (2, "2a71956978accf65"), (np.inf, "d3ada0093a800f76")]
)
def test_resized_rows_of_a_seed_stay(exponent, digest):
    out = np.empty(3000, np.float32)
    fill(kernels.laplace, 2026, 0, out)
    filling.resize(out.reshape(-1, 100), np.arange(30.0), 0.5, exponent)
    assert hashlib.sha256(out.astype("<f4").tobytes()).hexdigest()[:16] == digest


def test_without_numba_and_without_a_cache(numba, monkeypatch):
    """numba missing: NumPy. No folder for its cache: compiled all the same."""
    expected = numbers("numpy", "normal", 5000, 3, 0, 1.0, monkeypatch)

    real = numba.njit

    def uncached(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(numba, "njit", uncached)
    assert np.array_equal(numbers("compiled", "normal", 5000, 3, 0, 1.0, monkeypatch), expected)
    assert not hasattr(filling._loops[kernels.normal], "func")
    monkeypatch.setitem(sys.modules, "numba", None)
    assert np.array_equal(numbers("compiled", "normal", 5000, 3, 0, 1.0, monkeypatch), expected)
    assert filling._loops[kernels.normal].func is filling._by_numpy


def test_few_numbers_do_not_import_numba():
    code = (
        "import sys, torch, smoothing.radius, smoothing.certify, smoothing.draws as d;"
        "d.Source(torch.device('cpu'), 1).normal_(torch.empty(100_000));"
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
