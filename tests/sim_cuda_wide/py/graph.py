"""What the scripts of graphs share: their structures, captures, and what a graph consists of."""

from wide import *

GLOBAL, THREAD_LOCAL, RELAXED = 0, 1, 2
USED, USED_HIGH, RESERVED, RESERVED_HIGH = range(4)


class Kernel(ctypes.Structure):
    _fields_ = [("function", P), ("grid", U32 * 3), ("block", U32 * 3), ("shared", U32), ("parameters", P * 2),
                ("rest", P * 2)]


class Take(ctypes.Structure):
    _fields_ = [("pool", PoolProps), ("access", P), ("accesses", S), ("size", S), ("address", U64)]


class NodeParams(ctypes.Structure):
    _fields_ = [("type", U32), ("reserved", U32 * 3), ("take", Take), ("rest", U64 * 40)]


def number(which):
    value = U64()
    call("cuDeviceGetGraphMemAttribute", 0, which, ref(value))
    return value.value


def capture(stream, mode=GLOBAL):
    call("cuStreamBeginCapture_v2", stream, mode)


def end(stream, answers=0):
    graph = P(7)
    call("cuStreamEndCapture", stream, ref(graph), answers=answers)
    assert answers == 0 or graph.value is None
    return graph


def ready(graph, flags=0):
    return made("cuGraphInstantiateWithFlags", graph, U64(flags))


def kinds(graph):
    count = S()
    call("cuGraphGetNodes", graph, None, ref(count))
    nodes = (P * count.value)()
    call("cuGraphGetNodes", graph, nodes, ref(count))
    out = (U32 * count.value)()
    for i, node in enumerate(nodes):
        call("cuGraphNodeGetType", P(node), ref(out, 4 * i))
    return list(out)


def status(stream):
    out = U32(9)
    call("cuStreamIsCapturing", stream, ref(out))
    return out.value


def allocating(size, *sizes):
    """A graph that allocates, and frees all but the first at once."""
    graph = made("cuGraphCreate", 0)
    take = Take(pool=PoolProps(type=1, location=HERE), size=size)
    node = made("cuGraphAddMemAllocNode", graph, None, S(0), ref(take))
    for more in sizes:
        inner = Take(pool=PoolProps(type=1, location=HERE), size=more)
        node = made("cuGraphAddMemAllocNode", graph, ref(node), S(1), ref(inner))
        node = made("cuGraphAddMemFreeNode", graph, ref(node), S(1), U64(inner.address))
    return graph, U64(take.address)
