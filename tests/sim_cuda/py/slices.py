"""Time that processes share slice by slice, and what runs beside what within one. Times are compared with
those that kernels' names say; none has to be short on a busy machine."""

import threading
import time

from cu import *
from order import NOT_READY, event, milliseconds, record


def launch_with(function, address, stream):
    """Launches a kernel with an address as its only parameter."""
    values = (P * 1)(ctypes.cast(ctypes.pointer(U64(address)), P))
    call("cuLaunchKernel", function, 1, 1, 1, 1, 1, 1, 0, stream, values, None)


def busy(duration, count):
    """Says when it has begun, keeps the card busy, and says how long its events say that took."""
    primary()
    stream, function = made("cuStreamCreate", 1), kernel("spin_ms_" + duration)
    print("ready", flush=True)
    sys.stdin.readline()
    start = record(stream)
    for _ in range(int(count)):
        launch(function, stream)
    print(milliseconds(start, record(stream)), flush=True)


def side_by_side():
    primary()
    streams = [made("cuStreamCreate", 1) for _ in range(4)]
    quarter, whole = kernel("spin_ms_200_occ_25"), kernel("spin_ms_200")
    # What nobody is in a hurry for holds the card until all are queued.
    start = record(streams[0])
    launch(kernel("spin_ms_300"), streams[0])
    for stream in streams:
        launch(quarter, stream)
    ends = [record(stream) for stream in streams]
    times = [milliseconds(start, end) for end in ends]
    assert all(500 <= one < 501 for one in times), times
    start = record(streams[0])
    launch(kernel("spin_ms_300"), streams[0])
    for stream in streams[:2]:
        launch(whole, stream)
    ends = [record(stream) for stream in streams[:2]]
    last = max(milliseconds(start, end) for end in ends)
    assert 700 <= last < 701, last


def priorities():
    primary()
    usual = made("cuStreamCreateWithPriority", 1, 0)
    urgent = made("cuStreamCreateWithPriority", 1, -5)
    for _ in range(20):
        launch(kernel("spin_ms_100"), usual)
    begin = record(urgent)
    launch(kernel("spin_ms_10"), urgent)
    first, last = record(urgent), record(usual)
    assert 10 <= milliseconds(begin, first) < 1_000
    assert milliseconds(first, last) >= 900


def copies_and_kernels():
    primary()
    stream, host, device = made("cuStreamCreate", 1), ctypes.create_string_buffer(b"x" * 64), alloc(64)
    start = record(stream)
    launch(kernel("spin_ms_300"), stream)
    call("cuMemcpyHtoDAsync_v2", device, host, S(64), stream)
    launch(kernel("spin_ms_300"), stream)
    call("cuMemcpyDtoHAsync_v2", host, device, S(64), stream)
    end = record(stream)
    call("cuEventQuery", end, answers=NOT_READY)
    # Nobody waits: the driver has to move it on by itself.
    while lib.cuEventQuery(end) == NOT_READY:
        time.sleep(0.05)
    assert milliseconds(start, end) >= 600


def flags():
    primary()
    one, other, word = made("cuStreamCreate", 1), made("cuStreamCreate", 1), alloc(64).value
    call("cuMemsetD32_v2", U64(word), U32(0), S(16))
    start = record(one)
    launch_with(kernel("spin_until_set"), word, one)
    end = record(one)
    time.sleep(0.1)
    call("cuEventQuery", end, answers=NOT_READY)
    launch_with(kernel("set_flag_ms_50"), word, other)
    assert milliseconds(start, end) >= 50
    assert read(U64(word), 4) == b"\1\0\0\0"
    call("cuStreamWaitValue32_v2", one, U64(word), U32(7), 1)
    end = record(one)
    call("cuStreamQuery", one, answers=NOT_READY)
    call("cuStreamWriteValue32_v2", other, U64(word), U32(7), 0)
    call("cuEventSynchronize", end)
    call("cuStreamWaitValue64_v2", one, U64(word + 8), U64(1 << 40), 0)
    end = record(one)
    timer = threading.Timer(0.1, lambda: lib.cuStreamWriteValue64_v2(other, U64(word + 8), U64(1 << 40), 0))
    timer.start()
    call("cuEventSynchronize", end)
    timer.join()
    call("cuStreamWaitValue32_v2", one, U64(word + 1), U32(0), 0, answers=1)
    call("cuStreamWaitValue32_v2", one, U64(word), U32(0), 4, answers=1)


def graphs():
    primary()
    stream, function = made("cuStreamCreate", 1), kernel("spin_ms_100_occ_50")
    call("cuStreamBeginCapture_v2", stream, 0)
    side, fork, join = made("cuStreamCreate", 1), event(), event()
    call("cuEventRecord", fork, stream)
    call("cuStreamWaitEvent", side, fork, 0)
    launch(function, stream)
    launch(function, side)
    call("cuEventRecord", join, side)
    call("cuStreamWaitEvent", stream, join, 0)
    launch(function, stream)
    graph = P()
    call("cuStreamEndCapture", stream, ref(graph))
    ready = made("cuGraphInstantiateWithFlags", graph, U64(0))
    start = record(stream)
    for _ in range(3):
        call("cuGraphLaunch", ready, stream)
    took = milliseconds(start, record(stream))
    assert 600 <= took < 900, took


if __name__ == "__main__":
    main(globals())
