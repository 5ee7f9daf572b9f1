"""One rank of two of NVIDIA's NCCL: meets the other, reduces over both ranks' cards, and waits to be let go."""

import ctypes
import os
import sys
import time

SIZE = 4 << 20
FLOAT, SUM = 7, 0


class Id(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_char * 128)]


def good(name, result):
    assert result == 0, f"{name} answered {result}"


def meet(nccl, rank, path):
    """The identity that the first rank makes and the other reads."""
    made = Id()
    if rank == 0:
        good("ncclGetUniqueId", nccl.ncclGetUniqueId(ctypes.byref(made)))
        with open(path + "~", "wb") as file:
            file.write(ctypes.string_at(ctypes.byref(made), 128))
        os.rename(path + "~", path)
        return made
    while not os.path.exists(path):
        time.sleep(0.01)
    with open(path, "rb") as file:
        return Id.from_buffer_copy(file.read())


def main(library, rank, card, path, end):
    nccl, cuda = ctypes.CDLL(library), ctypes.CDLL("libcuda.so.1")
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    nccl.ncclCommInitRank.argtypes = [pointer, ctypes.c_int, Id, ctypes.c_int]
    nccl.ncclAllReduce.argtypes = [pointer, pointer, size, ctypes.c_int, ctypes.c_int, pointer, pointer]
    context, comm, memory = pointer(), pointer(), ctypes.c_uint64()
    good("cuInit", cuda.cuInit(0))
    good("cuDevicePrimaryCtxRetain", cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), card))
    good("cuCtxSetCurrent", cuda.cuCtxSetCurrent(context))
    good("ncclCommInitRank", nccl.ncclCommInitRank(ctypes.byref(comm), 2, meet(nccl, rank, path), rank))
    good("cuMemAlloc", cuda.cuMemAlloc_v2(ctypes.byref(memory), size(SIZE)))
    at = memory.value
    good("ncclAllReduce", nccl.ncclAllReduce(at, at, SIZE // 4, FLOAT, SUM, comm, None))
    good("cuCtxSynchronize", cuda.cuCtxSynchronize())
    free, total = size(), size()
    good("cuMemGetInfo", cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)))
    print("reduced", total.value - free.value, flush=True)
    sys.stdin.read()
    good(end, nccl[end](comm))
    good("cuMemFree", cuda.cuMemFree_v2(memory))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5])
