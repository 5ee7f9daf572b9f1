"""Eight threads that take and give memory in every way at once, and leave nothing behind."""

import random
import threading

from wide import *

PAGE = 2 * MIB


def pooled(context, stream):
    taken = [made("cuMemAllocAsync", S(random.randrange(1, 40 * MIB)), stream, kind=U64) for _ in range(3)]
    random.shuffle(taken)
    for address in taken:
        call("cuMemFreeAsync", address, stream)
    if random.random() < 0.3:
        call("cuStreamSynchronize", stream)


def mapped(context, stream):
    handle = made("cuMemCreate", S(2 * PAGE), ref(Props(type=1, location=HERE)), U64(0), kind=U64)
    start = made("cuMemAddressReserve", S(4 * PAGE), S(0), U64(0), U64(0), kind=U64)
    call("cuMemMap", start, S(2 * PAGE), S(0), handle, U64(0))
    call("cuMemRelease", handle)
    call("cuMemSetAccess", start, S(2 * PAGE), ref(Access(HERE, 3)), S(1))
    call("cuMemsetD8Async", start, 7, S(100), stream)
    call("cuMemUnmap", start, S(2 * PAGE))
    call("cuMemAddressFree", start, S(4 * PAGE))


def captured(context, stream):
    call("cuStreamBeginCapture_v2", stream, 2)
    address = made("cuMemAllocAsync", S(3 * MIB), stream, kind=U64)
    call("cuMemFreeAsync", address, stream)
    graph = P()
    call("cuStreamEndCapture", stream, ref(graph))
    runs = made("cuGraphInstantiateWithFlags", graph, U64(0))
    call("cuGraphLaunch", runs, stream)
    call("cuGraphExecDestroy", runs)
    call("cuGraphDestroy", graph)


def linear(context, stream):
    call("cuMemFree_v2", alloc(random.randrange(1, 10 * MIB)))


def work(context, failed):
    try:
        call("cuCtxSetCurrent", context)
        stream = made("cuStreamCreate", 1)
        for _ in range(60):
            random.choice((pooled, mapped, captured, linear))(context, stream)
        call("cuStreamSynchronize", stream)
    except AssertionError as error:
        failed.append(error)


def everything():
    context, failed = primary(), []
    before = free_bytes()
    threads = [threading.Thread(target=work, args=(context, failed)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    call("cuCtxSynchronize")
    call("cuDeviceGraphMemTrim", 0)
    assert free_bytes() == before


main(globals())
