"""Ways to launch that few programs use: on several devices at once, from the card, in a graph beside words."""

import time

from wide import *

FOUR_WAIT, FOUR_WRITE = 1, 2
FROM_THE_CARD = 4


class Each(ctypes.Structure):
    _fields_ = [("function", P), ("sizes", U32 * 7), ("stream", P), ("parameters", P)]


class Part(ctypes.Structure):
    _fields_ = [("kind", U32), ("address", U64), ("value", U64), ("flags", U32), ("rest", U64 * 2)]


class Words(ctypes.Structure):
    _fields_ = [("context", P), ("count", U32), ("parts", ctypes.POINTER(Part)), ("flags", U32)]


def part_of(context, stream, name="spin_ms_100"):
    call("cuCtxSetCurrent", context)
    return Each(kernel(name), (U32 * 7)(1, 1, 1, 1, 1, 1, 0), stream, None)


def on_devices():
    """A kernel on two devices begins when the streams of both have come to it, and they go on together."""
    contexts, streams = [], []
    for device in (0, 1):
        contexts.append(primary(device))
        streams.append(made("cuStreamCreate", 1))
    call("cuCtxSetCurrent", contexts[0])
    launch(kernel("spin_ms_200"), streams[0])
    both = (Each * 2)(*(part_of(context, stream) for context, stream in zip(contexts, streams)))
    start = time.monotonic()
    call("cuLaunchCooperativeKernelMultiDevice", both, 2, 0)
    call("cuStreamSynchronize", streams[1])
    assert time.monotonic() - start >= 0.29, "the other device's stream was not waited for"
    call("cuStreamSynchronize", streams[0])
    twice = (Each * 2)(both[0], both[0])
    call("cuLaunchCooperativeKernelMultiDevice", twice, 2, 0, answers=1)
    of_nobody = (Each * 1)(Each(both[1].function, both[1].sizes, None, None))
    for count, flags, list_of in ((0, 0, both), (2, 4, both), (1, 0, of_nobody)):
        call("cuLaunchCooperativeKernelMultiDevice", list_of, count, flags, answers=1)
    # Without meeting, the second device is not held up by the first.
    call("cuCtxSetCurrent", contexts[0])
    launch(kernel("spin_ms_400"), streams[0])
    start = time.monotonic()
    call("cuLaunchCooperativeKernelMultiDevice", both, 2, 3)
    call("cuStreamSynchronize", streams[1])
    assert time.monotonic() - start < 0.4


def launch_with(function, value, stream, answers=0):
    """Launches a kernel with a number as its only parameter."""
    values = (P * 1)(ctypes.cast(ctypes.pointer(U64(value)), P))
    call("cuLaunchKernel", function, 1, 1, 1, 1, 1, 1, 0, stream, values, None, answers=answers)


def captured(function, count=1, parameter=None):
    stream, graph = made("cuStreamCreate", 1), P()
    call("cuStreamBeginCapture_v2", stream, 0)
    for _ in range(count):
        if parameter is None:
            launch(function, stream)
        else:
            launch_with(function, parameter, stream)
    call("cuStreamEndCapture", stream, ref(graph))
    return graph


def from_the_card():
    """A graph that was made for it and lies on the card is launched by a kernel, and takes its time."""
    primary()
    stream, work = made("cuStreamCreate", 1), captured(kernel("spin_ms_50"), 3)
    launches = kernel("launch_graph_us_1")
    plain, lying, fit = (made("cuGraphInstantiateWithFlags", work, U64(flags)) for flags in (0, 4, 4))
    call("cuGraphUpload", fit, stream)
    for unfit in (plain, lying):
        launch_with(launches, unfit.value, stream, answers=1)
    whole = made("cuGraphInstantiateWithFlags", captured(launches, 1, fit.value), U64(0))
    start = time.monotonic()
    call("cuGraphLaunch", whole, stream)
    call("cuStreamSynchronize", stream)
    assert time.monotonic() - start >= 0.15
    empty, node = made("cuGraphCreate", 0), P()
    call("cuGraphAddEmptyNode", ref(node), empty, None, S(0))
    call("cuGraphInstantiateWithFlags", ref(P()), empty, U64(FROM_THE_CARD), answers=1)


def clear(at):
    call("cuMemsetD32_v2", at, U32(0), S(4))
    call("cuCtxSynchronize")


def words_in_a_graph():
    """A node waits for a word, and another writes one, at each launch of the graph."""
    context, stream = primary(), made("cuStreamCreate", 1)
    at = alloc(64)
    clear(at)
    wait = (Part * 1)(Part(FOUR_WAIT, at.value, 1, 1))
    tells = (Part * 2)(Part(FOUR_WRITE, at.value + 4, 9, 0), Part(FOUR_WRITE, at.value, 0, 0))
    graph, first, last = made("cuGraphCreate", 0), P(), P()
    words = Words(context, 1, wait, 0)
    call("cuGraphAddBatchMemOpNode", ref(first), graph, None, S(0), ref(words))
    words = Words(context, 2, tells, 0)
    call("cuGraphAddBatchMemOpNode", ref(last), graph, ref(first), S(1), ref(words))
    kind = U32()
    call("cuGraphNodeGetType", last, ref(kind))
    assert kind.value == 12
    words.flags = 7
    call("cuGraphAddBatchMemOpNode", ref(P()), graph, None, S(0), ref(words), answers=1)
    runs, other = made("cuGraphInstantiateWithFlags", graph, U64(0)), made("cuStreamCreate", 1)
    for _ in range(2):
        call("cuGraphLaunch", runs, stream)
        time.sleep(0.05)
        call("cuStreamQuery", stream, answers=600)
        # By the name that programs of before CUDA 12 are linked with.
        call("cuStreamWriteValue32", other, at, U32(1), 0)
        call("cuStreamSynchronize", stream)
        assert read(at, 8) == bytes(4) + b"\x09\0\0\0"
        clear(at)


def of_before():
    """The first launches and waits do what those after them do."""
    primary()
    stream, spin, at = made("cuStreamCreate", 1), kernel("spin_ms_50"), alloc(64)
    clear(at)
    call("cuFuncSetBlockShape", spin, 32, 1, 1)
    call("cuFuncSetBlockShape", spin, 0, 1, 1, answers=1)
    start = time.monotonic()
    call("cuLaunch", spin)
    call("cuLaunchGrid", spin, 4, 4)
    call("cuLaunchGridAsync", spin, 4, 4, None)
    call("cuCtxSynchronize")
    assert time.monotonic() - start >= 0.15
    call("cuLaunchGrid", spin, 0, 4, answers=1)
    call("cuLaunch", kernel("set_flag"), answers=1)
    call("cuStreamWaitValue32", stream, at, U32(3), 1)
    call("cuStreamWriteValue64", stream, U64(at.value + 8), U64(5), 0)
    call("cuStreamQuery", stream, answers=600)
    tells = (Part * 1)(Part(FOUR_WRITE, at.value, 3, 0))
    call("cuStreamBatchMemOp", made("cuStreamCreate", 1), 1, tells, 0)
    call("cuStreamWaitValue64", stream, U64(at.value + 8), U64(5), 1)
    call("cuStreamSynchronize", stream)


main(globals())
