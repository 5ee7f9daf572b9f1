"""NVIDIA's own Python bindings, on the driver and on the runtime that is built into them."""

import sys


def ok(answer):
    """What a call answers behind its error code, which must be 0."""
    assert int(answer[0]) == 0, answer
    return answer[1] if len(answer) == 2 else answer[1:]


def everything(path):
    sys.path.insert(0, path)
    from cuda.bindings import driver, runtime

    ok(driver.cuInit(0))
    assert ok(driver.cuDeviceGetCount()) == 1
    device = ok(driver.cuDeviceGet(0))
    ok(driver.cuCtxSetCurrent(ok(driver.cuDevicePrimaryCtxRetain(device))))
    address = ok(driver.cuMemAlloc(1 << 20))
    free, total = ok(driver.cuMemGetInfo())
    assert 0 < free < total
    sent, got = bytes(range(256)), bytearray(256)
    ok(driver.cuMemcpyHtoD(address, sent, 256))
    ok(driver.cuMemcpyDtoH(got, address, 256))
    assert bytes(got) == sent
    kind = driver.CUpointer_attribute
    assert ok(driver.cuPointerGetAttribute(kind.CU_POINTER_ATTRIBUTE_IS_MANAGED, address)) is False
    assert ok(driver.cuPointerGetAttribute(kind.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address)) == 0
    module = ok(driver.cuModuleLoadData(b"any image"))
    kernel = ok(driver.cuModuleGetFunction(module, b"spin_us_100"))
    ok(driver.cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0))
    ok(driver.cuCtxSynchronize())
    ok(driver.cuMemFree(address))
    assert ok(runtime.cudaGetDeviceCount()) == 1
    ok(runtime.cudaFree(ok(runtime.cudaMalloc(100))))
    assert ok(runtime.cudaGetDeviceProperties(0)).name == b"Tesla V100-SXM2-32GB"


globals()[sys.argv[1]](*sys.argv[2:])
