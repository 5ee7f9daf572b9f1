"""What copies and fills do to memory, and what pointers say of themselves."""

import os
import resource

from cu import *

HOST, DEVICE, UNIFIED = 1, 2, 4


def fills(stream):
    size = 4096
    for names, value, unit in (
        (("cuMemsetD8_v2", "cuMemsetD8_v2_ptds"), 0xA1, 1),
        (("cuMemsetD16_v2", "cuMemsetD16_v2_ptds"), 0xA1B2, 2),
        (("cuMemsetD32_v2", "cuMemsetD32_v2_ptds"), 0xA1B2C3D4, 4),
    ):
        wanted = value.to_bytes(unit, "little") * (size // unit)
        for name in names:
            to = alloc(size)
            call(name, to, U32(value), S(size // unit))
            assert read(to, size) == wanted, name
        for name in (names[0].replace("_v2", "Async"), names[0].replace("_v2", "Async_ptsz")):
            to = alloc(size)
            call(name, to, U32(value), S(size // unit), stream)
            call("cuStreamSynchronize", stream)
            assert read(to, size) == wanted, name
    to = alloc(1024)
    call("cuMemsetD8_v2", to, 0, S(1024))
    call("cuMemsetD2D8_v2", to, S(256), 7, S(16), S(4))
    assert read(to, 1024) == (b"\7" * 16 + b"\0" * 240) * 4


def flat_copies(stream):
    size = 100_000
    sent = os.urandom(size)
    for suffix in ("", "_ptds"):
        to, other = alloc(size), alloc(size)
        call("cuMemcpyHtoD_v2" + suffix, to, sent, S(size))
        call("cuMemcpyDtoD_v2" + suffix, other, to, S(size))
        assert read(other, size) == sent
        got = ctypes.create_string_buffer(size)
        call("cuMemcpy" + suffix, U64(ctypes.addressof(got)), other, S(size))
        assert got.raw == sent
    for suffix in ("", "_ptsz"):
        to, other, got = alloc(size), alloc(size), ctypes.create_string_buffer(size)
        call("cuMemcpyHtoDAsync_v2" + suffix, to, sent, S(size), stream)
        call("cuMemcpyDtoDAsync_v2" + suffix, other, to, S(size), stream)
        call("cuMemcpyDtoHAsync_v2" + suffix, got, other, S(size), stream)
        call("cuStreamSynchronize", stream)
        assert got.raw == sent


def shaped_copies(stream):
    sent = os.urandom(10 * 10 * 10)
    pitch = S()
    to = made("cuMemAllocPitch_v2", ref(pitch), S(10), S(100), 4, kind=U64)
    assert pitch.value == 512
    there = Copy2D(srcType=HOST, srcHost=ctypes.cast(sent, P), srcPitch=10, dstType=DEVICE, dstDevice=to,
                   dstPitch=512, Width=10, Height=100)
    call("cuMemcpy2D_v2", ref(there))
    got = ctypes.create_string_buffer(1000)
    back = Copy2D(srcType=DEVICE, srcDevice=to, srcPitch=512, dstType=HOST, dstHost=ctypes.addressof(got),
                  dstPitch=10, Width=10, Height=100)
    call("cuMemcpy2DAsync_v2", ref(back), stream)
    call("cuStreamSynchronize", stream)
    assert got.raw == sent
    part = ctypes.create_string_buffer(8)
    cube = Copy3D(srcX=1, srcY=2, srcZ=3, srcType=UNIFIED, srcDevice=to, srcPitch=512, srcHeight=10,
                  dstType=HOST, dstHost=ctypes.addressof(part), Width=2, Height=2, Depth=2)
    call("cuMemcpy3D_v2", ref(cube))
    wanted = [sent[(3 + z) * 100 + (2 + y) * 10 + 1:][:2] for z in range(2) for y in range(2)]
    assert part.raw == b"".join(wanted)


def every_copy_and_fill():
    primary()
    stream = made("cuStreamCreate", 1)
    fills(stream)
    flat_copies(stream)
    shaped_copies(stream)
    between_devices()


def between_devices():
    first = primary(0)
    here = alloc(16)
    call("cuMemcpyHtoD_v2", here, b"sixteen bytes ok", S(16))
    second = primary(1)
    there = alloc(16)
    call("cuMemcpyPeer", there, second, here, first, S(16))
    assert read(there, 16) == b"sixteen bytes ok"


def attribute(number, address, kind):
    return made("cuPointerGetAttribute", number, address, kind=kind).value


def pointers():
    primary(0)
    context = primary(1)
    address = alloc(1000)
    inside = U64(address.value + 999)
    assert attribute(1, inside, U64) == context.value
    assert attribute(2, inside, U32) == DEVICE
    assert attribute(9, inside, I32) == 1
    assert attribute(11, inside, U64) == address.value and attribute(12, inside, S) == 1000
    call("cuPointerGetAttribute", ref(U64()), 2, U64(address.value + 1000), answers=1)
    base, size = U64(), S()
    call("cuMemGetAddressRange_v2", ref(base), ref(size), inside)
    assert (base.value, size.value) == (address.value, 1000)
    host = made("cuMemHostAlloc", S(64), 0)
    assert attribute(2, U64(host.value), U32) == HOST
    managed = made("cuMemAllocManaged", S(64), 1, kind=U64)
    assert attribute(8, managed, U32) == 1 and attribute(8, address, U32) == 0
    kind, ordinal = U32(7), I32(7)
    numbers, outs = (U32 * 2)(2, 9), (P * 2)(ctypes.addressof(kind), ctypes.addressof(ordinal))
    call("cuPointerGetAttributes", 2, numbers, outs, U64(ctypes.addressof(kind)))
    assert (kind.value, ordinal.value) == (0, -2)


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def zeros():
    primary()
    size = 8 << 30
    to = alloc(size)
    call("cuMemsetD8_v2", to, 0xFF, S(1 << 20))
    before = resident()
    call("cuMemsetD32_v2", to, 0, S(size // 4))
    call("cuCtxSynchronize")
    assert resident() < before + (64 << 20)
    assert read(to, 1 << 20) == bytes(1 << 20)


main(globals())
