"""CuPy's memory pools in half of a V100."""

import ctypes
import sys

ctypes.CDLL(sys.argv[2], mode=ctypes.RTLD_GLOBAL)

import cupy

MIB = 1 << 20
PIECE = 256 * MIB


def used():
    free, total = cupy.cuda.runtime.memGetInfo()
    assert total == 16255 * MIB, total
    return total - free


def fill():
    """As many pieces as there is room for."""
    pieces = []
    try:
        while True:
            pieces.append(cupy.cuda.alloc(PIECE))
    except cupy.cuda.memory.OutOfMemoryError:
        return pieces


def until_full(pool):
    before = used()
    pieces = fill()
    room = 16255 * MIB - before
    assert len(pieces) == room // PIECE, (len(pieces), room // PIECE)
    assert used() == before + len(pieces) * PIECE
    pieces.clear()
    pool.free_all_blocks()
    assert used() == before, (used(), before)
    assert len(fill()) == room // PIECE


def own():
    until_full(cupy.get_default_memory_pool())


def ordered():
    pool = cupy.cuda.MemoryAsyncPool()
    cupy.cuda.set_allocator(pool.malloc)
    until_full(pool)


def kept():
    before, pool = used(), cupy.get_default_memory_pool()
    block = cupy.cuda.alloc(100 * MIB)
    del block
    assert (pool.used_bytes(), pool.total_bytes()) == (0, 100 * MIB)
    assert used() == before + 100 * MIB
    # The runtime is refused, although CuPy counts all of it as free; CuPy lets go and tries again.
    block = cupy.cuda.alloc((16255 * MIB - before) // (2 * MIB) * 2 * MIB)
    assert used() > 16250 * MIB
    del block
    pool.free_all_blocks()
    assert used() == before


globals()[sys.argv[1]]()
