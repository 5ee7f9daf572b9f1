"""What waits for what in streams. Times are compared with those that kernels' names say, and with each
other; none has to be short on a busy machine, but for a generous bound that an endless wait exceeds."""

import threading
import time

from cu import *

NOT_READY = 600


def event(flags=0):
    return made("cuEventCreate", flags)


def record(stream=None):
    mark = event()
    call("cuEventRecord", mark, stream)
    return mark


def milliseconds(start, end):
    call("cuEventSynchronize", end)
    return made("cuEventElapsedTime", start, end, kind=ctypes.c_float).value


def elapsed():
    primary()
    stream, function = made("cuStreamCreate", 1), kernel("spin_ms_400")
    start = record(stream)
    for _ in range(3):
        launch(function, stream)
    end = record(stream)
    call("cuEventQuery", end, answers=NOT_READY)
    call("cuEventElapsedTime", ref(ctypes.c_float()), start, end, answers=NOT_READY)
    assert 1200 <= milliseconds(start, end) < 10_000
    assert milliseconds(end, start) <= -1200
    call("cuEventQuery", end)
    call("cuEventElapsedTime", ref(ctypes.c_float()), start, event(), answers=400)
    call("cuEventElapsedTime", ref(ctypes.c_float()), event(2), end, answers=400)


class Config(ctypes.Structure):
    _fields_ = [(name, U32) for name in ("gx", "gy", "gz", "bx", "by", "bz", "shared")] + [
        ("stream", P), ("attributes", P), ("count", U32)]


def every_launch():
    primary()
    stream, function = made("cuStreamCreate", 1), kernel("spin_ms_20")
    start = record(stream)
    config = Config(1, 1, 1, 32, 1, 1, 0, stream, None, 0)
    for variant in ("", "_ptsz"):
        launch(function, stream, variant)
        call("cuLaunchKernelEx" + variant, ref(config), function, None, None)
        call("cuLaunchCooperativeKernel" + variant, function, 1, 1, 1, 1, 1, 1, 0, stream, None)
    assert milliseconds(start, record(stream)) >= 120


def across_streams():
    primary()
    one, other = made("cuStreamCreate", 1), made("cuStreamCreate", 1)
    start = record(one)
    launch(kernel("spin_ms_1000"), one)
    middle = record(one)
    call("cuStreamWaitEvent", other, middle, 0)
    end = record(other)
    call("cuEventQuery", end, answers=NOT_READY)
    assert milliseconds(start, end) >= 1000
    assert milliseconds(middle, end) >= 0


def legacy_stream():
    primary()
    blocking, free = made("cuStreamCreate", 0), made("cuStreamCreate", 1)
    start = record(free)
    launch(kernel("spin_ms_1000"), blocking)
    legacy, apart = record(None), record(free)
    assert milliseconds(start, legacy) >= 1000
    assert milliseconds(apart, legacy) > 0
    launch(kernel("spin_ms_80"), None)
    after = record(blocking)
    assert milliseconds(legacy, after) >= 80
    by_name = record(P(1))
    assert milliseconds(legacy, by_name) >= 80


def per_thread_streams():
    context = primary()
    long, marks = kernel("spin_ms_1500"), {}

    def use(name, busy):
        call("cuCtxSetCurrent", context)
        if busy:
            launch(long, None, "_ptsz")
        mark = marks[name] = event()
        call("cuEventRecord_ptsz", mark, None)

    for name, busy in (("busy", True), ("idle", False)):
        thread = threading.Thread(target=use, args=(name, busy))
        thread.start()
        thread.join()
    call("cuEventQuery", marks["busy"], answers=NOT_READY)
    assert milliseconds(marks["idle"], marks["busy"]) > 0


CALL = ctypes.CFUNCTYPE(None, P)
CALLBACK = ctypes.CFUNCTYPE(None, P, U32, P)


def host_functions():
    primary()
    stream, function, happened = made("cuStreamCreate", 1), kernel("spin_ms_800"), []
    host = ctypes.create_string_buffer(b"before", 16)
    device = alloc(16)

    def change(_):
        time.sleep(0.1)
        host.raw = b"after".ljust(16, b"\0")
        happened.append("function")

    change = CALL(change)
    told = CALLBACK(lambda handle, status, data: happened.append((handle, status, data)))
    start = record(stream)
    launch(function, stream)
    call("cuLaunchHostFunc", stream, change, None)
    call("cuMemcpyHtoDAsync_v2", device, host, S(16), stream)
    call("cuStreamAddCallback", stream, told, P(7), 0)
    end = record(stream)
    assert happened == []
    call("cuEventQuery", end, answers=NOT_READY)
    assert milliseconds(start, end) >= 900
    assert happened == ["function", (stream.value, 0, 7)]
    assert read(device, 5) == b"after"
    call("cuLaunchHostFunc", stream, None, None, answers=1)


def waits_in_a_host_function():
    context = primary()
    stream, answered = made("cuStreamCreate", 1), []

    def wait(_):
        lib.cuCtxSetCurrent(context)
        answered.append(lib.cuStreamSynchronize(stream))
        answered.append(lib.cuCtxSynchronize())
        answered.append(lib.cuStreamQuery(stream))

    wait = CALL(wait)
    call("cuLaunchHostFunc", stream, wait, None)
    call("cuStreamSynchronize", stream)
    assert answered == [800, 800, NOT_READY]


def full_queue():
    primary()
    stream, function = made("cuStreamCreate", 1), kernel("spin_ms_4")
    begin = time.monotonic()
    for _ in range(1024):
        launch(function, stream)
    queued = time.monotonic()
    call("cuStreamQuery", stream, answers=NOT_READY)
    for _ in range(201):
        launch(function, stream)
    assert time.monotonic() - begin >= 0.8
    assert queued - begin < 3
    call("cuStreamDestroy_v2", stream)
    call("cuCtxSynchronize")
    assert time.monotonic() - begin >= 1225 * 0.004


def questions():
    context = primary()
    stream = made("cuStreamCreateWithPriority", 1, -99)
    flags, priority, owner, device, capturing = U32(), I32(), P(), I32(7), U32(7)
    call("cuStreamGetFlags", stream, ref(flags))
    call("cuStreamGetPriority", stream, ref(priority))
    call("cuStreamGetCtx", stream, ref(owner))
    call("cuStreamGetDevice", stream, ref(device))
    call("cuStreamIsCapturing", stream, ref(capturing))
    assert (flags.value, priority.value, owner.value) == (1, -5, context.value)
    assert (device.value, capturing.value) == (0, 0)
    call("cuStreamQuery", stream)
    call("cuEventQuery", event())
    call("cuStreamCreate", ref(P()), 2, answers=1)
    call("cuEventCreate", ref(P()), 8, answers=1)
    call("cuStreamDestroy_v2", stream)
    call("cuStreamQuery", stream, answers=400)


if __name__ == "__main__":
    main(globals())
