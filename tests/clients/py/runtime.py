"""Every way in which NVIDIA's runtime takes device memory, in half of a V100."""

import ctypes
import sys

P, S, I32 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
MIB, PAGE = 1 << 20, 2 << 20
TOTAL, CONTEXT = 16255 * MIB, 308 * MIB
ref = ctypes.byref
NO_MEMORY = 2


class Pitched(ctypes.Structure):
    _fields_ = [("address", P), ("pitch", S), ("x", S), ("y", S)]


class Extent(ctypes.Structure):
    _fields_ = [("width", S), ("height", S), ("depth", S)]


class PoolProps(ctypes.Structure):
    _fields_ = [("type", I32), ("handles", I32), ("where", I32), ("id", I32), ("rest", P), ("more", ctypes.c_char * 64)]


FLOATS = (I32 * 5)(32, 0, 0, 0, 2)


class Runtime:
    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self("cudaFree", None)

    def __call__(self, name, *arguments):
        result = self.ask(name, *arguments)
        assert result == 0, f"{name} answered {result}"

    def ask(self, name, *arguments):
        return getattr(self.library, name)(*arguments)

    def info(self):
        free, total = S(), S()
        self("cudaMemGetInfo", ref(free), ref(total))
        return free.value, total.value

    def free(self):
        return self.info()[0]


def ways(run):
    """How each call takes about so many MiB, what it then holds, and how it gives that back."""
    out, pitched, pool = P(), Pitched(), P()

    def mallocs(name, *arguments):
        return lambda mib: run.ask(name, ref(out), *[a(mib) if callable(a) else a for a in arguments])

    def rows(mib):
        return run.ask("cudaMallocPitch", ref(out), ref(S()), S(1 << 20), S(mib))

    def cube(mib):
        return run.ask("cudaMalloc3D", ref(pitched), Extent(1 << 20, mib, 1))

    def flat(mib):
        return run.ask("cudaMallocArray", ref(out), ref(FLOATS), S(16384), S(mib * 16), 0)

    def deep(mib):
        return run.ask("cudaMalloc3DArray", ref(out), ref(FLOATS), Extent(4096, 1024, max(mib // 16, 1)), 0)

    def mipmap(mib):
        # Its first level; those after it are a third more.
        return run.ask("cudaMallocMipmappedArray", ref(out), ref(FLOATS), Extent(16384, mib * 16, 0), 2, 0)

    def of_pool(mib):
        if not pool:
            run("cudaMemPoolCreate", ref(pool), ref(PoolProps(type=1, where=1)))
        return run.ask("cudaMallocFromPoolAsync", ref(out), S(mib * MIB), pool, None)

    def give(name, place=lambda: P(out.value)):
        return lambda: run(name, place())

    def give_ordered():
        run("cudaFreeAsync", P(out.value), None)
        run("cudaStreamSynchronize", None)

    def give_pooled():
        give_ordered()
        run("cudaMemPoolDestroy", pool)
        pool.value = None

    size = lambda mib: S(mib * MIB)  # noqa: E731
    free, free_array = give("cudaFree"), give("cudaFreeArray")
    return {
        "cudaMalloc": (mallocs("cudaMalloc", size), 64, free),
        "cudaMallocManaged": (mallocs("cudaMallocManaged", size, 1), 64, free),
        "cudaMallocPitch": (rows, 64, free),
        "cudaMalloc3D": (cube, 64, give("cudaFree", lambda: P(pitched.address))),
        "cudaMallocArray": (flat, 64, free_array),
        "cudaMalloc3DArray": (deep, 64, free_array),
        "cudaMallocMipmappedArray": (mipmap, 80, give("cudaFreeMipmappedArray")),
        "cudaMallocAsync": (mallocs("cudaMallocAsync", size, None), 64, give_ordered),
        "cudaMallocFromPoolAsync": (of_pool, 64, give_pooled),
        "cudaMallocHost": (mallocs("cudaMallocHost", size), 0, give("cudaFreeHost")),
        "cudaHostAlloc": (mallocs("cudaHostAlloc", size, 0), 0, give("cudaFreeHost")),
    }


def charged(path):
    run = Runtime(path)
    before, total = run.info()
    assert (before, total) == (TOTAL - CONTEXT, TOTAL), (before, total)
    for name, (take, mib, give) in ways(run).items():
        assert take(64) == 0, name
        assert before - run.free() == mib * MIB, (name, before - run.free())
        give()
        assert run.free() == before, (name, before - run.free())


def refused(path):
    run = Runtime(path)
    before = run.free()
    for name, (take, mib, give) in ways(run).items():
        if mib == 0:
            continue
        # More than the share, and less than the card has.
        result = take(24 << 10)
        assert result == NO_MEMORY, (name, result)
        assert run.ask("cudaGetLastError") == NO_MEMORY, name
        assert run.free() == before, (name, before - run.free())
        assert take(64) == 0, name
        give()
        assert run.free() == before, (name, before - run.free())


def last_page(path):
    run, out = Runtime(path), P()
    before = run.free()
    most = before // PAGE * PAGE
    run("cudaMalloc", ref(out), S(most))
    assert run.free() == before - most < PAGE
    assert run.ask("cudaMalloc", ref(P()), S(PAGE)) == NO_MEMORY
    run("cudaFree", out)
    assert run.ask("cudaMalloc", ref(P()), S(most + 1)) == NO_MEMORY
    assert run.free() == before


globals()[sys.argv[1]](*sys.argv[2:])
