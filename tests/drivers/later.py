"""Looks up what a driver of the future has, in the ways that programs do. argv[1] names one."""

import ctypes
import sys

LATER = ["cuMemAlloc_v3", "cuMemCreate_v2"]
OF_NVML = "nvmlDeviceGetMemoryInfo_v3"
cuda = ctypes.CDLL("libcuda.so.1", mode=ctypes.RTLD_GLOBAL)
nvml = ctypes.CDLL("libnvidia-ml.so.1")


def has(library, name):
    """Whether dlsym finds a name."""
    try:
        getattr(library, name)
    except AttributeError as error:
        assert str(error), "dlerror has no text"
        return "none"
    return "some"


def dlsym():
    """Both allocators, and NVML's question, by their names."""
    print(*[has(cuda, name) for name in LATER], has(nvml, OF_NVML))


def default():
    """Wherever they are: RTLD_DEFAULT."""
    find = ctypes.CDLL(None).dlsym
    find.restype, find.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]
    print(*["some" if find(None, name.encode()) else "none" for name in LATER])


def proc():
    """By cuGetProcAddress, as of the future's CUDA version: result, address, status."""
    answers = []
    for base in [b"cuMemAlloc", b"cuMemCreate"]:
        address, status = ctypes.c_void_p(1), ctypes.c_uint(77)
        result = cuda.cuGetProcAddress_v2(
            base, ctypes.byref(address), 14000, ctypes.c_ulong(0), ctypes.byref(status)
        )
        answers.append(f"{result} {'some' if address.value else 'none'} {status.value}")
    print("; ".join(answers))


def older():
    """The versions that exist today: within the half, and beyond it."""
    context, address = ctypes.c_void_p(), ctypes.c_uint64()
    assert cuda.cuInit(0) == 0
    assert cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
    assert cuda.cuCtxSetCurrent(context) == 0
    sizes = [64 << 20, 16200 << 20]
    print(*[cuda.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size)) for size in sizes])


globals()[sys.argv[1]]()
