"""NVIDIA's runtime in a share: what its pools and graphs are refused is error 2, and the program goes on."""

import ctypes
import sys

P, S, U64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
MIB = 1 << 20
library, share = ctypes.CDLL(sys.argv[1]), int(sys.argv[2])
ref = ctypes.byref


def run(name, *arguments, answers=0):
    result = getattr(library, name)(*arguments)
    assert result == answers, f"{name} answered {result}, not {answers}"


def free():
    left, total = S(), S()
    run("cudaMemGetInfo", ref(left), ref(total))
    assert total.value == share
    return left.value


def captured(stream, size):
    graph, ready, address = P(), P(), P()
    run("cudaStreamBeginCapture", stream, 0)
    run("cudaMallocAsync", ref(address), S(size), stream)
    run("cudaMemsetAsync", address, 1, S(MIB), stream)
    run("cudaFreeAsync", address, stream)
    run("cudaStreamEndCapture", stream, ref(graph))
    run("cudaGraphInstantiate", ref(ready), graph, None, None, S(0))
    return ready


stream, keep, pool, address = P(), U64(1 << 62), P(), P()
run("cudaStreamCreate", ref(stream))
before = free()
large, small = captured(stream, before + 2 * MIB), captured(stream, 100 * MIB)
assert free() == before
run("cudaGraphLaunch", large, stream, answers=2)
run("cudaGetLastError", answers=2)
assert free() == before
for _ in range(3):
    run("cudaGraphLaunch", small, stream)
run("cudaStreamSynchronize", stream)
assert free() == before - 100 * MIB
run("cudaDeviceGetDefaultMemPool", ref(pool), 0)
run("cudaMemPoolSetAttribute", pool, 4, ref(keep))
run("cudaMallocAsync", ref(address), S(before // (32 * MIB) * 32 * MIB), stream)
assert free() < 32 * MIB, "the graph's memory made room"
run("cudaGraphLaunch", small, stream, answers=2)
run("cudaGetLastError", answers=2)
run("cudaFreeAsync", address, stream)
run("cudaStreamSynchronize", stream)
run("cudaGraphLaunch", small, stream)
run("cudaStreamSynchronize", stream)
run("cudaMallocAsync", ref(address), S(before + 1), stream, answers=2)
run("cudaGetLastError", answers=2)
run("cudaGraphExecDestroy", small)
run("cudaDeviceGraphMemTrim", 0)
run("cudaMemPoolTrimTo", pool, S(0))
assert free() == before
