"""CuPy's two memory pools, each as CuPy itself sees it and as the card does."""

import ctypes
import sys

MIB = 1 << 20


def main(runtime, folder):
    ctypes.CDLL(runtime, mode=ctypes.RTLD_GLOBAL)
    sys.path.insert(0, folder)
    import cupy
    import numpy

    free = lambda: cupy.cuda.runtime.memGetInfo()[0]  # noqa: E731
    before, own = free(), cupy.get_default_memory_pool()

    def seen(pool):
        return pool.used_bytes() // MIB, pool.total_bytes() // MIB, (before - free()) // MIB

    def refused():
        try:
            cupy.cuda.alloc(64 << 30)
        except cupy.cuda.memory.OutOfMemoryError:
            return True

    block = cupy.cuda.alloc(10 * MIB)
    assert seen(own) == (10, 10, 10)
    del block
    assert seen(own) == (0, 10, 10) and refused()
    own.free_all_blocks()
    assert seen(own) == (0, 0, 0)
    numbers = numpy.arange(1_000_000, dtype="f4")
    array = cupy.empty(1_000_000, dtype="f4")
    array.set(numbers)
    assert (array.get() == numbers).all()
    del array
    own.free_all_blocks()
    ordered = cupy.cuda.MemoryAsyncPool()
    cupy.cuda.set_allocator(ordered.malloc)
    block = cupy.cuda.alloc(40 * MIB)
    assert seen(ordered) == (40, 64, 64) and refused()
    del block
    ordered.free_all_blocks()
    assert seen(ordered) == (0, 0, 0)


main(*sys.argv[1:])
