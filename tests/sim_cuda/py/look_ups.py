"""cuGetProcAddress in both versions, against what the real driver 535 was seen to answer."""

from cu import *


def look_up(name, version, flags=0):
    """Result, address and reason of version 2."""
    address, reason = P(1), I32(-1)
    result = lib.cuGetProcAddress_v2(name, ref(address), version, U64(flags), ref(reason))
    return result, address.value, reason.value


def exported(name):
    return ctypes.cast(getattr(lib, name), P).value


def table(path):
    with open(path) as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines if not line.startswith("#")]
    assert len(rows) == 980, len(rows)
    for base, flags, version, symbol in rows:
        found = look_up(base.encode(), int(version), int(flags))
        assert found == (0, exported(symbol), 0), (base, flags, version, symbol, found)


def later_names(unknown):
    for name in (b"cuMulticastCreateX", b"cuCtxRecordEvent", b"cuKernelGetName", b"cuGreenCtxCreate"):
        result, address, reason = look_up(name, 13000)
        gone = unknown == "1" or name == b"cuMulticastCreateX"
        assert (result, address is None, reason) == (0, gone, int(gone)), name
    newest = exported("cuMemAlloc_v2")
    assert look_up(b"cuMemAlloc", 99000) == (0, newest, 0)


def failures():
    assert look_up(b"cuMemAlloc_v2", 13000) == (0, None, 1)
    assert look_up(b"curl_easy_init", 13000) == (0, None, 1)
    assert look_up(b"", 13000) == (0, None, 1)
    assert look_up(b"cuMemAllocAsync", 11010) == (0, None, 2)
    assert look_up(b"cuMemAlloc", 13000, 1) == (0, exported("cuMemAlloc_v2"), 0)
    assert look_up(b"cuMemAlloc", 13000, 3)[0] == 1
    assert look_up(None, 13000)[0] == 1
    address = P(1)
    call("cuGetProcAddress_v2", b"nothing", ref(address), 13000, U64(0), None)
    assert address.value is None
    call("cuGetProcAddress_v2", b"cuInit", None, 13000, U64(0), None, answers=1)
    address = P(1)
    call("cuGetProcAddress", b"nothing", ref(address), 13000, U64(0), answers=500)
    call("cuGetProcAddress", b"cuMemAllocAsync", ref(address), 11010, U64(0), answers=500)
    assert address.value == 1
    call("cuGetProcAddress", b"cuMemFree", ref(address), 13000, U64(0))
    assert address.value == exported("cuMemFree_v2")


def not_simulated():
    primary()
    for _ in range(3):
        call("cuGraphDebugDotPrint", None, b"", 0, answers=801)
    call("cuTexRefCreate", ref(P()), answers=801)


def texts():
    for code, name, sentence in (
        (0, b"CUDA_SUCCESS", b"no error"),
        (2, b"CUDA_ERROR_OUT_OF_MEMORY", b"out of memory"),
        (999, b"CUDA_ERROR_UNKNOWN", b"unknown"),
    ):
        text = ctypes.c_char_p()
        call("cuGetErrorName", code, ref(text))
        assert text.value == name
        call("cuGetErrorString", code, ref(text))
        assert text.value == sentence
    text = ctypes.c_char_p(b"")
    call("cuGetErrorName", 12345, ref(text), answers=1)
    assert text.value is None


main(globals())
