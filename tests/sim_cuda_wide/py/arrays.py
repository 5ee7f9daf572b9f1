"""Arrays and mipmaps: what is read back, what they take and what is refused."""

import os

from wide import *


class Flat(ctypes.Structure):
    _fields_ = [("width", S), ("height", S), ("format", U32), ("channels", U32)]


class Flat1(ctypes.Structure):
    _fields_ = [("width", U32), ("height", U32), ("format", U32), ("channels", U32)]


class Array(ctypes.Structure):
    _fields_ = [("width", S), ("height", S), ("depth", S), ("format", U32), ("channels", U32), ("flags", U32)]


class Array1(ctypes.Structure):
    _fields_ = [(name, U32) for name in ("width", "height", "depth", "format", "channels", "flags")]


HOST, DEVICE, ARRAY, FLOAT, BYTE = 1, 2, 3, 0x20, 1


def fields(value):
    return tuple(getattr(value, name) for name, _ in value._fields_)


def versions():
    """Every version makes the same array, and every version describes it."""
    primary()
    for create, descriptor in (
        ("cuArrayCreate_v2", Flat(100, 50, FLOAT, 4)),
        ("cuArrayCreate", Flat1(100, 50, FLOAT, 4)),
        ("cuArray3DCreate_v2", Array(100, 50, 0, FLOAT, 4, 0)),
        ("cuArray3DCreate", Array1(100, 50, 0, FLOAT, 4, 0)),
    ):
        array = made(create, ref(descriptor))
        for get, kind in (("cuArrayGetDescriptor_v2", Flat), ("cuArrayGetDescriptor", Flat1)):
            assert fields(made(get, array, kind=kind)) == (100, 50, FLOAT, 4)
        for get, kind in (("cuArray3DGetDescriptor_v2", Array), ("cuArray3DGetDescriptor", Array1)):
            assert fields(made(get, array, kind=kind)) == (100, 50, 0, FLOAT, 4, 0)
        call("cuArrayDestroy", array)
        call("cuArrayDestroy", array, answers=400)


def rectangles():
    primary()
    array, sent = made("cuArrayCreate_v2", ref(Flat(30, 20, FLOAT, 1))), os.urandom(120 * 20)
    there = Copy2D(srcType=HOST, srcHost=ctypes.cast(sent, P), srcPitch=120, dstType=ARRAY, dstArray=array,
                   Width=120, Height=20)
    call("cuMemcpy2D_v2", ref(there))
    got = ctypes.create_string_buffer(40 * 5)
    part = Copy2D(srcX=8, srcY=3, srcType=ARRAY, srcArray=array, dstType=HOST, dstHost=ctypes.addressof(got),
                  dstPitch=40, Width=40, Height=5)
    call("cuMemcpy2DUnaligned_v2", ref(part))
    assert got.raw == b"".join(sent[(3 + y) * 120 + 8:][:40] for y in range(5))
    other = made("cuArrayCreate_v2", ref(Flat(30, 20, FLOAT, 1)))
    between = Copy2D(srcType=ARRAY, srcArray=array, dstType=ARRAY, dstArray=other, Width=120, Height=20)
    call("cuMemcpy2DAsync_v2", ref(between), None)
    linear = alloc(120 * 20)
    back = Copy2D(srcType=ARRAY, srcArray=other, dstType=DEVICE, dstDevice=linear, dstPitch=120, Width=120, Height=20)
    call("cuMemcpy2D_v2", ref(back))
    assert read(linear, len(sent)) == sent
    for wrong in (dict(srcX=88), dict(srcY=16), dict(srcArray=P(0x1234))):
        asked = Copy2D(srcX=8, srcY=3, srcType=ARRAY, srcArray=array, dstType=HOST, dstHost=ctypes.addressof(got),
                       dstPitch=40, Width=40, Height=5)
        for name, value in wrong.items():
            setattr(asked, name, value)
        call("cuMemcpy2D_v2", ref(asked), answers=400 if "srcArray" in wrong else 1)


def cuboids():
    primary()
    array, sent = made("cuArray3DCreate_v2", ref(Array(10, 8, 6, BYTE, 1, 0))), os.urandom(480)
    there = Copy3D(srcType=HOST, srcHost=ctypes.cast(sent, P), srcPitch=10, srcHeight=8, dstType=ARRAY,
                   dstArray=array, Width=10, Height=8, Depth=6)
    call("cuMemcpy3D_v2", ref(there))
    got = ctypes.create_string_buffer(8)
    part = Copy3D(srcX=1, srcY=2, srcZ=3, srcType=ARRAY, srcArray=array, dstType=HOST,
                  dstHost=ctypes.addressof(got), Width=2, Height=2, Depth=2)
    call("cuMemcpy3D_v2", ref(part))
    assert got.raw == b"".join(sent[(3 + z) * 80 + (2 + y) * 10 + 1:][:2] for z in range(2) for y in range(2))
    part.srcZ = 5
    call("cuMemcpy3D_v2", ref(part), answers=1)


def rows():
    primary()
    array, other = [made("cuArrayCreate_v2", ref(Flat(1000, 0, BYTE, 1))) for _ in range(2)]
    sent, got = os.urandom(1000), ctypes.create_string_buffer(1000)
    call("cuMemcpyHtoA_v2", array, S(0), sent, S(1000))
    call("cuMemcpyAtoA_v2", other, S(10), array, S(0), S(990))
    linear = alloc(990)
    call("cuMemcpyAtoD_v2", linear, other, S(10), S(990))
    call("cuMemcpyDtoA_v2", array, S(5), linear, S(990))
    call("cuMemcpyAtoH_v2", got, array, S(5), S(990))
    assert got.raw[:990] == sent[:990]
    call("cuMemcpyAtoHAsync_v2", got, array, S(0), S(5), None)
    call("cuMemcpyHtoAAsync_v2", array, S(995), sent, S(5), None)
    call("cuMemcpyHtoA_v2", array, S(1), sent, S(1000), answers=1)


def costs():
    primary()
    before = free_bytes()
    small = [made("cuArrayCreate_v2", ref(Flat(1, 1, BYTE, 1))) for _ in range(32)]
    assert free_bytes() == before - 2 * MIB
    one_more = made("cuArrayCreate_v2", ref(Flat(1, 1, BYTE, 1)))
    assert free_bytes() == before - 4 * MIB
    large = made("cuArray3DCreate_v2", ref(Array(1024, 1024, 3, FLOAT, 4, 0)))
    assert free_bytes() == before - (4 + 48) * MIB
    for array in [*small, one_more, large]:
        call("cuArrayDestroy", array)
    assert free_bytes() == before
    made("cuArrayCreate_v2", ref(Flat(1024, 1024, FLOAT, 4)))
    call("cuDevicePrimaryCtxReset_v2", 0)
    primary()
    assert free_bytes() == before


def mipmaps():
    primary()
    before, descriptor = free_bytes(), Array(1024, 1024, 0, FLOAT, 4, 0)
    mipmap = made("cuMipmappedArrayCreate", ref(descriptor), 99)
    assert free_bytes() == before - 22 * MIB
    levels = [made("cuMipmappedArrayGetLevel", mipmap, i) for i in range(11)]
    assert fields(made("cuArray3DGetDescriptor_v2", levels[3], kind=Array))[:2] == (128, 128)
    assert fields(made("cuArray3DGetDescriptor_v2", levels[10], kind=Array))[:2] == (1, 1)
    call("cuMipmappedArrayGetLevel", ref(P()), mipmap, 11, answers=1)
    for i, level in enumerate(levels):
        sent = bytes([i]) * 16
        call("cuMemcpy2D_v2", ref(Copy2D(srcType=HOST, srcHost=ctypes.cast(sent, P), srcPitch=16,
                                         dstType=ARRAY, dstArray=level, Width=16, Height=1)))
    got = ctypes.create_string_buffer(16)
    for i, level in enumerate(levels):
        call("cuMemcpy2D_v2", ref(Copy2D(srcType=ARRAY, srcArray=level, dstType=HOST, dstPitch=16,
                                         dstHost=ctypes.addressof(got), Width=16, Height=1)))
        assert got.raw == bytes([i]) * 16
    call("cuArrayDestroy", levels[0], answers=1)
    call("cuMipmappedArrayDestroy", mipmap)
    assert free_bytes() == before
    call("cuArray3DGetDescriptor_v2", ref(Array()), levels[0], answers=400)
    call("cuMipmappedArrayDestroy", mipmap, answers=400)


def refusals():
    primary()
    out = P(7)
    for wrong in (
        Array(0, 1, 0, FLOAT, 1, 0), Array(8, 8, 0, 0x77, 1, 0), Array(8, 8, 0, FLOAT, 3, 0),
        Array(8, 0, 8, FLOAT, 1, 0), Array(8, 4, 6, FLOAT, 1, 4), Array(8, 8, 5, FLOAT, 1, 4),
        Array(1 << 20, 8, 0, FLOAT, 1, 0), Array(8, 8, 0, FLOAT, 1, 1 << 20),
    ):
        call("cuArray3DCreate_v2", ref(out), ref(wrong), answers=1)
    call("cuArray3DCreate_v2", ref(out), ref(Array(64, 0, 0, FLOAT, 1, 0x40)), answers=1)
    call("cuArray3DCreate_v2", ref(out), ref(Array(64, 64, 0, FLOAT, 1, 0xC0)), answers=1)
    alloc(free_bytes() - 2 * MIB)
    call("cuArray3DCreate_v2", ref(out), ref(Array(1024, 1024, 0, FLOAT, 1, 0)), answers=2)
    assert out.value == 7
    call("cuArray3DCreate_v2", None, ref(Array(8, 8, 0, FLOAT, 1, 0)), answers=1)
    array = made("cuArrayCreate_v2", ref(Flat(8, 8, FLOAT, 1)))
    call("cuArrayGetMemoryRequirements", ref((U64 * 4)()), array, 0, answers=1)


def on_runtime(path):
    run = runtime(path)
    run("cudaFree", None)
    before, array, channel = runtime_free(run), P(), (I32 * 5)(32, 0, 0, 0, 2)
    run("cudaMallocArray", ref(array), ref(channel), S(512), S(1024), 0)
    assert runtime_free(run) == before - 2 * MIB
    sent, got = os.urandom(2048 * 1024), ctypes.create_string_buffer(2048 * 1024)
    run("cudaMemcpy2DToArray", array, S(0), S(0), sent, S(2048), S(2048), S(1024), 1)
    run("cudaMemcpy2DFromArray", got, S(2048), array, S(0), S(0), S(2048), S(1024), 2)
    assert got.raw == sent
    run("cudaFreeArray", array)
    assert runtime_free(run) == before

    class Pitched(ctypes.Structure):
        _fields_ = [("address", P), ("pitch", S), ("x", S), ("y", S)]

    class Extent(ctypes.Structure):
        _fields_ = [("width", S), ("height", S), ("depth", S)]

    pitched = Pitched()
    run("cudaMalloc3D", ref(pitched), Extent(1000, 64, 64))
    assert pitched.pitch == 1024 and runtime_free(run) == before - 4 * MIB
    run("cudaMalloc3DArray", ref(array), ref(channel), Extent(64, 64, 64), 0)
    assert runtime_free(run) == before - 6 * MIB
    mipmap = P()
    run("cudaMallocMipmappedArray", ref(mipmap), ref(channel), Extent(1024, 512, 0), 5, 0)
    assert runtime_free(run) == before - 10 * MIB
    run("cudaFreeMipmappedArray", mipmap)
    run("cudaFreeArray", array)
    run("cudaFree", pitched.address and P(pitched.address))
    assert runtime_free(run) == before


main(globals())
