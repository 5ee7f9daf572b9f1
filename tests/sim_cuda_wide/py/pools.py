"""Memory pools: what they take, keep and give back, and when freed memory is taken again."""

from wide import *

THRESHOLD, RESERVED, RESERVED_HIGH, USED, USED_HIGH = 4, 5, 6, 7, 8


def number(pool, which):
    return get(pool, which, U64)


def get(pool, which, kind):
    value = kind()
    call("cuMemPoolGetAttribute", pool, which, ref(value))
    return value.value


def put(pool, which, value, kind=U64, answers=0):
    call("cuMemPoolSetAttribute", pool, which, ref(kind(value)), answers=answers)


def take(size, stream=None, answers=0):
    out = U64()
    call("cuMemAllocAsync", ref(out), S(size), stream, answers=answers)
    return out


def default():
    primary()
    return made("cuDeviceGetDefaultMemPool", 0)


def growth():
    pool, before = default(), free_bytes()
    assert number(pool, RESERVED) == 0
    first = take(1)
    assert free_bytes() == before - 32 * MIB
    assert (number(pool, RESERVED), number(pool, USED)) == (32 * MIB, 512)
    second = take(31 * MIB)
    assert free_bytes() == before - 32 * MIB
    third = take(33 * MIB)
    assert free_bytes() == before - 96 * MIB and number(pool, RESERVED) == 96 * MIB
    for address in (first, second, third):
        call("cuMemFreeAsync", address, None)
    assert number(pool, USED) == 0 and number(pool, USED_HIGH) == 64 * MIB + 512
    assert free_bytes() == before - 96 * MIB
    call("cuStreamSynchronize", None)
    assert free_bytes() == before and number(pool, RESERVED) == 0
    assert number(pool, RESERVED_HIGH) == 96 * MIB
    put(pool, RESERVED_HIGH, 0)
    put(pool, USED_HIGH, 0)
    assert (number(pool, RESERVED_HIGH), number(pool, USED_HIGH)) == (0, 0)
    put(pool, RESERVED, 0, answers=1)
    put(pool, USED_HIGH, 1, answers=1)


def threshold():
    pool, before = default(), free_bytes()
    put(pool, THRESHOLD, 1 << 63)
    addresses = [take(20 * MIB) for _ in range(3)]
    for address in addresses:
        call("cuMemFreeAsync", address, None)
    call("cuCtxSynchronize")
    assert free_bytes() == before - 96 * MIB
    call("cuMemPoolTrimTo", pool, S(50 * MIB))
    assert number(pool, RESERVED) == 64 * MIB and free_bytes() == before - 64 * MIB
    put(pool, THRESHOLD, 40 * MIB)
    assert number(pool, THRESHOLD) == 40 * MIB
    event = made("cuEventCreate", 0)
    call("cuEventRecord", event, None)
    call("cuEventSynchronize", event)
    assert number(pool, RESERVED) == 32 * MIB
    call("cuMemPoolTrimTo", pool, S(0))
    assert free_bytes() == before


def the_end():
    """The card's end: a pool takes what is left in pages, and refuses with error 2."""
    pool = default()
    whole = alloc(free_bytes() - 6 * MIB)
    first = take(5 * MIB)
    assert number(pool, RESERVED) == 6 * MIB and free_bytes() == 0
    out = U64(7)
    call("cuMemAllocAsync", ref(out), S(2 * MIB), None, answers=2)
    assert out.value == 7 and number(pool, RESERVED) == 6 * MIB
    call("cuMemAlloc_v2", ref(out), S(2 * MIB), answers=2)
    put(pool, THRESHOLD, 1 << 40)
    call("cuMemFreeAsync", first, None)
    call("cuStreamSynchronize", None)
    assert number(pool, RESERVED) == 6 * MIB
    alloc(6 * MIB)
    assert number(pool, RESERVED) == 0
    call("cuMemFree_v2", whole)


def streams():
    """Freed memory is taken again: at once in the same stream, elsewhere when it is free or by waiting."""
    pool, spin = default(), kernel("spin_ms_100")
    one, other = made("cuStreamCreate", 1), made("cuStreamCreate", 1)
    launch(spin, one)
    first = take(20 * MIB, one)
    call("cuMemFreeAsync", first, one)
    assert take(20 * MIB, one).value == first.value
    call("cuMemFreeAsync", first, one)
    elsewhere = take(20 * MIB, other)
    assert elsewhere.value != first.value
    whole = alloc(free_bytes())
    waiting = take(20 * MIB, other)
    assert waiting.value == first.value
    call("cuStreamQuery", other, answers=600)
    call("cuMemFreeAsync", waiting, other)
    put(pool, 3, 0, kind=I32)
    assert get(pool, 3, I32) == 0
    take(20 * MIB, one, answers=2)
    call("cuMemFree_v2", whole)


def created():
    context, before = primary(), free_bytes()
    props = PoolProps(type=1, location=HERE, max=64 * MIB)
    pool, standard = made("cuMemPoolCreate", ref(props)), made("cuDeviceGetMemPool", 0)
    address = made("cuMemAllocFromPoolAsync", S(10 * MIB), pool, None, kind=U64)
    assert number(pool, USED) == 10 * MIB and number(standard, USED) == 0
    call("cuMemAllocFromPoolAsync", ref(U64()), S(60 * MIB), pool, None, answers=2)
    call("cuDeviceSetMemPool", 0, pool)
    assert made("cuDeviceGetMemPool", 0).value == pool.value
    assert made("cuMemGetMemPool", ref(HERE), 1).value == pool.value
    inside = take(MIB)
    assert number(pool, USED) == 11 * MIB
    assert made("cuPointerGetAttribute", 17, inside, kind=P).value == pool.value
    flags = made("cuMemPoolGetAccess", pool, ref(HERE), kind=U32)
    assert flags.value == 3
    call("cuMemPoolSetAccess", pool, ref(Access(Location(1, 1), 3)), S(1))
    assert made("cuMemPoolGetAccess", pool, ref(Location(1, 1)), kind=U32).value == 3
    call("cuMemPoolSetAccess", pool, ref(Access(HERE, 0)), S(1), answers=101)
    call("cuMemcpyHtoD_v2", inside, b"lent", S(4))
    assert read(inside, 4) == b"lent"
    call("cuMemPoolDestroy", pool)
    assert made("cuDeviceGetMemPool", 0).value == standard.value
    call("cuMemPoolTrimTo", pool, S(0), answers=1)
    call("cuMemFree_v2", inside)
    assert free_bytes() == before - 32 * MIB
    call("cuMemFreeAsync", address, None)
    assert free_bytes() == before
    call("cuMemPoolDestroy", standard, answers=1)
    call("cuMemcpyHtoD_v2", inside, b"gone", S(4), answers=1)


def refusals():
    pool = default()
    stream, out = made("cuStreamCreate", 0), U64()
    call("cuMemAllocAsync", ref(out), S(0), stream, answers=1)
    call("cuMemAllocAsync", None, S(1), stream, answers=1)
    call("cuMemAllocAsync", ref(out), S(1), P(0x1234), answers=400)
    call("cuMemAllocFromPoolAsync", ref(out), S(1), P(0x1234), stream, answers=1)
    call("cuMemAllocAsync", ref(out), S(1 << 62), stream, answers=2)
    call("cuMemFreeAsync", U64(0x1000), stream, answers=1)
    address = take(100, stream)
    call("cuMemFreeAsync", U64(address.value + 8), stream, answers=1)
    call("cuMemFreeAsync", address, stream)
    call("cuMemFreeAsync", address, stream, answers=1)
    call("cuMemPoolGetAttribute", pool, 99, ref(out), answers=1)
    call("cuMemPoolCreate", ref(P()), ref(PoolProps(type=1, location=Location(1, 9))), answers=101)
    call("cuMemPoolCreate", ref(P()), ref(PoolProps(type=3, location=HERE)), answers=1)
    call("cuMemPoolCreate", ref(P()), ref(PoolProps(type=1, location=Location(0, 0))), answers=1)
    call("cuMemPoolCreate", ref(P()), ref(PoolProps(type=2, handles=1, location=HERE)), answers=1)
    linear = alloc(100)
    call("cuMemFreeAsync", linear, stream)
    call("cuMemFree_v2", linear, answers=1)


def managed():
    """A pool of managed memory lies on a device or nowhere, and is another than the device's own."""
    primary()
    for place in (HERE, Location(0, 0)):
        before, pool, kind = free_bytes(), made("cuMemPoolCreate", ref(PoolProps(type=2, location=place))), I32()
        call("cuMemPoolGetAttribute", pool, 9, ref(kind))
        assert kind.value == 2
        address = made("cuMemAllocFromPoolAsync", S(5 * MIB), pool, None, kind=U64)
        assert free_bytes() == before - 32 * MIB
        call("cuMemFreeAsync", address, None)
        call("cuStreamSynchronize", None)
        call("cuMemPoolDestroy", pool)
        assert free_bytes() == before
        standard = made("cuMemGetDefaultMemPool", ref(place), 2)
        assert standard.value == made("cuMemGetMemPool", ref(place), 2).value != default().value
        call("cuDeviceSetMemPool", 0, standard, answers=1)


def ends():
    """A device's last context takes with it what its pools hold."""
    pool = default()
    take(100 * MIB)
    call("cuDevicePrimaryCtxReset_v2", 0)
    primary()
    before = free_bytes()
    assert number(pool, RESERVED) == 0 and number(pool, USED) == 0
    call("cuMemFreeAsync", take(40 * MIB), None)
    call("cuCtxSynchronize")
    assert free_bytes() == before


def on_runtime(path):
    run = runtime(path)
    run("cudaFree", None)
    before, pool = runtime_free(run), P()
    run("cudaDeviceGetDefaultMemPool", ref(pool), 0)
    keep, value = U64(1 << 62), U64()
    run("cudaMemPoolSetAttribute", pool, THRESHOLD, ref(keep))
    address, stream = P(), P()
    run("cudaStreamCreate", ref(stream))
    run("cudaMallocAsync", ref(address), S(48 * MIB), stream)
    run("cudaMemsetAsync", address, 0x5A, S(48 * MIB), stream)
    got = ctypes.create_string_buffer(16)
    run("cudaMemcpy", got, address, S(16), 4)
    assert got.raw == b"\x5a" * 16
    run("cudaFreeAsync", address, stream)
    run("cudaStreamSynchronize", stream)
    run("cudaMemPoolGetAttribute", pool, RESERVED, ref(value))
    assert value.value == 64 * MIB and runtime_free(run) == before - 64 * MIB
    run("cudaMallocAsync", ref(address), S(1 << 45), stream, answers=2)
    run("cudaGetLastError", answers=2)
    run("cudaMemPoolTrimTo", pool, S(0))
    assert runtime_free(run) == before
    run("cudaMallocFromPoolAsync", ref(address), S(MIB), pool, stream)
    run("cudaFree", address)


main(globals())
