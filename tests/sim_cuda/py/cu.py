"""The driver by ctypes: calls that check what they answer, and structures that scripts share."""

import ctypes
import sys

P, S, U64, U32, I32 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_int
lib = ctypes.CDLL("libcuda.so.1")
ref = ctypes.byref


class Copy2D(ctypes.Structure):
    """CUDA_MEMCPY2D."""

    _fields_ = [
        (side + name, kind)
        for side in ("src", "dst")
        for name, kind in (("X", S), ("Y", S), ("Type", U64), ("Host", P), ("Device", U64), ("Array", P), ("Pitch", S))
    ] + [("Width", S), ("Height", S)]


class Copy3D(ctypes.Structure):
    """CUDA_MEMCPY3D."""

    _fields_ = [
        (side + name, kind)
        for side in ("src", "dst")
        for name, kind in (
            ("X", S), ("Y", S), ("Z", S), ("Level", S), ("Type", U64), ("Host", P), ("Device", U64), ("Array", P),
            ("Reserved", P), ("Pitch", S), ("Height", S),
        )
    ] + [("Width", S), ("Height", S), ("Depth", S)]


def call(name, *arguments, answers=0):
    """Calls a function and asserts what it answers."""
    result = getattr(lib, name)(*arguments)
    assert result == answers, f"{name} answered {result}, not {answers}"


def made(name, *arguments, kind=P):
    """Calls a function whose first argument is where its answer goes."""
    out = kind()
    call(name, ref(out), *arguments)
    return out


def primary(device=0):
    """The driver made ready, with a device's primary context current."""
    call("cuInit", 0)
    context = made("cuDevicePrimaryCtxRetain", I32(device))
    call("cuCtxSetCurrent", context)
    return context


def alloc(size):
    return made("cuMemAlloc_v2", S(size), kind=U64)


def read(address, size):
    out = ctypes.create_string_buffer(size)
    call("cuMemcpyDtoH_v2", out, address, S(size))
    return out.raw


def kernel(name):
    module = made("cuModuleLoadData", b"any image")
    return made("cuModuleGetFunction", module, name.encode())


def launch(function, stream=None, variant="", answers=0):
    call("cuLaunchKernel" + variant, function, 1, 1, 1, 1, 1, 1, 0, stream, None, None, answers=answers)


def main(module):
    """Runs the function that the first argument names."""
    module[sys.argv[1]](*sys.argv[2:])
