"""Contexts, and what lives in them."""

from cu import *


def free_bytes():
    free = S()
    call("cuMemGetInfo_v2", ref(free), ref(S()))
    return free.value


def versions():
    first = primary(1)
    for create, arguments, destroy in (
        ("cuCtxCreate", (0, 0), "cuCtxDestroy"),
        ("cuCtxCreate_v2", (0, 0), "cuCtxDestroy_v2"),
        ("cuCtxCreate_v3", (None, 0, 0, 0), "cuCtxDestroy_v2"),
        ("cuCtxCreate_v4", (None, 4, 0), "cuCtxDestroy_v2"),
    ):
        context = made(create, *arguments)
        assert made("cuCtxGetCurrent").value == context.value
        assert made("cuCtxGetDevice", kind=I32).value == 0
        call("cuCtxPushCurrent_v2", first)
        assert made("cuCtxGetDevice", kind=I32).value == 1
        assert made("cuCtxPopCurrent_v2").value == first.value
        assert made("cuCtxGetDevice_v2", first, kind=I32).value == 1
        call(destroy, context)
        assert made("cuCtxGetCurrent").value == first.value
    call("cuCtxDestroy_v2", first, answers=201)


def ends():
    primary()
    before = free_bytes()
    context = made("cuCtxCreate_v2", 0, 0)
    address, stream, event = alloc(10 << 20), made("cuStreamCreate", 0), made("cuEventCreate", 0)
    function, host = kernel("spin_ms_1"), made("cuMemHostAlloc", S(4096), 0)
    launch(function, stream)
    call("cuCtxDestroy_v2", context)
    assert free_bytes() == before
    call("cuMemFree_v2", address, answers=1)
    call("cuMemFreeHost", host, answers=1)
    call("cuStreamQuery", stream, answers=400)
    call("cuEventQuery", event, answers=400)
    launch(function, answers=400)
    call("cuCtxSetCurrent", context, answers=201)


def state():
    flags, active = U32(), I32()
    call("cuDevicePrimaryCtxGetState", 0, ref(flags), ref(active))
    return flags.value, active.value


def primary_users():
    call("cuInit", 0)
    assert state() == (0, 0)
    call("cuDevicePrimaryCtxSetFlags_v2", 0, 4)
    first = primary()
    assert made("cuDevicePrimaryCtxRetain", 0).value == first.value
    assert state() == (4, 1)
    address = alloc(100)
    call("cuDevicePrimaryCtxRelease_v2", 0)
    call("cuMemsetD8_v2", address, 0, S(100))
    call("cuDevicePrimaryCtxRelease_v2", 0)
    assert state() == (4, 0)
    call("cuDevicePrimaryCtxRelease_v2", 0, answers=201)
    call("cuMemsetD8_v2", address, 0, S(100), answers=709)
    assert primary().value == first.value
    call("cuMemFree_v2", address, answers=1)
    call("cuDevicePrimaryCtxReset_v2", 0)
    assert state()[1] == 0


def capture():
    primary()
    stream, status, mode = made("cuStreamCreate", 1), U32(7), U32(2)
    for name, answers in (("", 1), ("_v2", 4), ("_v3", 5)):
        status.value = 7
        call("cuStreamGetCaptureInfo" + name, stream, ref(status), *[None] * answers)
        assert status.value == 0
    call("cuStreamIsCapturing", None, ref(status))
    call("cuThreadExchangeStreamCaptureMode", ref(mode))
    assert mode.value == 0
    call("cuThreadExchangeStreamCaptureMode", ref(mode))
    assert mode.value == 2
    call("cuThreadExchangeStreamCaptureMode", ref(U32(9)), answers=1)


def images():
    primary()
    library = P()
    call("cuLibraryLoadData", ref(library), b"image", None, None, 0, None, None, 0)
    entry = made("cuLibraryGetKernel", library, b"spin_us_1")
    assert made("cuLibraryGetKernel", library, b"spin_us_1").value == entry.value
    launch(entry)
    function = made("cuKernelGetFunction", entry)
    launch(function)
    module = made("cuLibraryGetModule", library)
    assert made("cuModuleGetFunction", module, b"spin_us_1").value == function.value
    assert made("cuFuncGetAttribute", 0, function, kind=I32).value == 1024
    call("cuFuncSetAttribute", function, 8, 65536)
    assert made("cuFuncGetAttribute", 8, function, kind=I32).value == 65536
    variable, size = U64(), S()
    call("cuModuleGetGlobal_v2", ref(variable), ref(size), module, b"variable")
    call("cuMemcpyHtoD_v2", variable, b"set", S(3))
    again = U64()
    call("cuLibraryGetGlobal", ref(again), None, library, b"variable")
    assert (again.value, size.value) == (variable.value, 64 << 10)
    call("cuModuleLoad", ref(P()), b"/no/such/file", answers=301)
    call("cuLibraryUnload", library)
    launch(entry, answers=400)
    launch(function, answers=400)
    call("cuMemcpyHtoD_v2", variable, b"set", S(3), answers=1)


main(globals())
