"""What a program can do wrong, and what the driver answers."""

from cu import *

INVALID_VALUE, NOT_INITIALIZED, INVALID_DEVICE, INVALID_CONTEXT, INVALID_HANDLE = 1, 3, 101, 201, 400


def before_init():
    for name in ("cuCtxSynchronize", "cuProfilerStart"):
        call(name, answers=NOT_INITIALIZED)
    call("cuDeviceGetCount", ref(I32()), answers=NOT_INITIALIZED)
    call("cuMemAlloc_v2", ref(U64()), S(1), answers=NOT_INITIALIZED)
    call("cuDriverGetVersion", ref(I32()))
    call("cuInit", 1, answers=INVALID_VALUE)
    call("cuInit", 0)
    call("cuInit", 0)


def without_context():
    call("cuInit", 0)
    call("cuMemAlloc_v2", ref(U64()), S(1), answers=INVALID_CONTEXT)
    call("cuMemGetInfo_v2", ref(S()), ref(S()), answers=INVALID_CONTEXT)
    call("cuStreamCreate", ref(P()), 0, answers=INVALID_CONTEXT)
    call("cuEventCreate", ref(P()), 0, answers=INVALID_CONTEXT)
    call("cuModuleLoadData", ref(P()), b"image", answers=INVALID_CONTEXT)
    call("cuCtxGetDevice", ref(I32()), answers=INVALID_CONTEXT)
    call("cuCtxPopCurrent_v2", ref(P()), answers=INVALID_CONTEXT)
    assert made("cuCtxGetCurrent").value is None
    context = made("cuDevicePrimaryCtxRetain", 0)
    call("cuCtxSetCurrent", context)
    call("cuDevicePrimaryCtxRelease_v2", 0)
    call("cuMemAlloc_v2", ref(U64()), S(1), answers=709)


def wrong_handles():
    primary()
    for handle in (P(3), P(0xDEAD0000), P(-8)):
        call("cuStreamSynchronize", handle, answers=INVALID_HANDLE)
        call("cuStreamDestroy_v2", handle, answers=INVALID_HANDLE)
        call("cuEventRecord", handle, None, answers=INVALID_HANDLE)
        call("cuEventDestroy_v2", handle, answers=INVALID_HANDLE)
        call("cuModuleUnload", handle, answers=INVALID_HANDLE)
        call("cuModuleGetFunction", ref(P()), handle, b"f", answers=INVALID_HANDLE)
        call("cuLibraryUnload", handle, answers=INVALID_HANDLE)
        call("cuCtxSetCurrent", handle, answers=INVALID_CONTEXT)
        call("cuCtxDestroy_v2", handle, answers=INVALID_CONTEXT)
        call("cuMemFree_v2", U64(handle.value), answers=INVALID_VALUE)
        call("cuMemFreeHost", handle, answers=INVALID_VALUE)
        call("cuMemHostUnregister", handle, answers=713)
        launch(handle, answers=INVALID_HANDLE)
    for device in (-1, 1, 99):
        call("cuDeviceGet", ref(I32()), device, answers=INVALID_DEVICE)
        call("cuDeviceTotalMem_v2", ref(S()), device, answers=INVALID_DEVICE)
        call("cuDevicePrimaryCtxRetain", ref(P()), device, answers=INVALID_DEVICE)
    address = alloc(100)
    call("cuMemFree_v2", U64(address.value + 8), answers=INVALID_VALUE)
    call("cuMemFree_v2", address)
    call("cuMemFree_v2", address, answers=INVALID_VALUE)
    call("cuMemFree_v2", U64(0))


def nulls():
    primary()
    address = alloc(100)
    for name, arguments in (
        ("cuMemAlloc_v2", (None, S(1))),
        ("cuMemAllocPitch_v2", (ref(U64()), None, S(1), S(1), 4)),
        ("cuMemAllocManaged", (None, S(1), 1)),
        ("cuMemHostAlloc", (None, S(1), 0)),
        ("cuMemGetInfo_v2", (None, ref(S()))),
        ("cuMemcpyHtoD_v2", (address, None, S(1))),
        ("cuMemcpyDtoH_v2", (None, address, S(1))),
        ("cuMemcpy2D_v2", (None,)),
        ("cuMemcpy3D_v2", (None,)),
        ("cuStreamCreate", (None, 0)),
        ("cuEventCreate", (None, 0)),
        ("cuModuleLoadData", (None, b"image")),
        ("cuModuleLoadData", (ref(P()), None)),
        ("cuModuleLoad", (ref(P()), None)),
        ("cuLibraryLoadData", (ref(P()), None, None, None, 0, None, None, 0)),
        ("cuDeviceGetCount", (None,)),
        ("cuDeviceGetName", (None, 10, 0)),
        ("cuDeviceGetAttribute", (None, 1, 0)),
        ("cuDevicePrimaryCtxRetain", (None, 0)),
        ("cuPointerGetAttribute", (None, 2, address)),
        ("cuLaunchKernelEx", (None, kernel("f"), None, None)),
        ("cuGetErrorName", (2, None)),
        ("cuDriverGetVersion", (None,)),
    ):
        call(name, *arguments, answers=INVALID_VALUE)
    call("cuGetExportTable", ref(P()), None, answers=INVALID_VALUE)
    call("cuModuleGetFunction", ref(P()), made("cuModuleLoadData", b"image"), None, answers=INVALID_VALUE)


def impossible():
    primary()
    function = kernel("f")
    free = S()
    call("cuMemGetInfo_v2", ref(free), ref(S()))
    call("cuMemAlloc_v2", ref(U64()), S(0), answers=INVALID_VALUE)
    for size in (40 << 30, 1 << 60, (1 << 64) - 1):
        call("cuMemAlloc_v2", ref(U64()), S(size), answers=2)
    call("cuMemAllocPitch_v2", ref(U64()), ref(S()), S(1 << 40), S(1 << 40), 4, answers=2)
    call("cuMemAllocPitch_v2", ref(U64()), ref(S()), S(10), S(10), 3, answers=INVALID_VALUE)
    address, host = alloc(100), ctypes.create_string_buffer(200)
    call("cuMemcpyHtoD_v2", address, host, S(101), answers=INVALID_VALUE)
    call("cuMemcpyDtoH_v2", host, U64(address.value + 50), S(51), answers=INVALID_VALUE)
    call("cuMemcpyHtoD_v2", U64(ctypes.addressof(host)), host, S(1), answers=INVALID_VALUE)
    call("cuMemsetD8_v2", address, 0, S(101), answers=INVALID_VALUE)
    call("cuMemsetD32_v2", U64(address.value + 1), 0, S(1), answers=INVALID_VALUE)
    call("cuMemFree_v2", address)
    call("cuMemcpyDtoH_v2", host, address, S(1), answers=INVALID_VALUE)
    call("cuLaunchKernel", function, 0, 1, 1, 1, 1, 1, 0, None, None, None, answers=INVALID_VALUE)
    call("cuLaunchKernel", function, 1, 1, 1, 33, 32, 1, 0, None, None, None, answers=INVALID_VALUE)
    call("cuCtxSetLimit", 99, S(1), answers=215)
    call("cuFuncSetAttribute", function, 8, 1 << 20, answers=INVALID_VALUE)
    after = S()
    call("cuMemGetInfo_v2", ref(after), ref(S()))
    assert after.value == free.value


main(globals())
