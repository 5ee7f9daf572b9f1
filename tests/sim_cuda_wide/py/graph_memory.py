"""Memory of graphs: what is noted, and what happens at a launch."""

from graph import *


def memory():
    """A graph's memory is charged when it is launched, and kept until it is trimmed."""
    primary()
    before, stream, graph = free_bytes(), made("cuStreamCreate", 1), made("cuGraphCreate", 0)
    take = Take(pool=PoolProps(type=1, location=HERE), size=5 * MIB)
    node = made("cuGraphAddMemAllocNode", graph, None, S(0), ref(take))
    fill = made("cuGraphAddEmptyNode", graph, ref(node), S(1))
    made("cuGraphAddMemFreeNode", graph, ref(fill), S(1), U64(take.address))
    assert kinds(graph) == [10, 5, 11] and take.address % 512 == 0
    runs = ready(graph)
    assert free_bytes() == before and number(RESERVED) == 0
    for _ in range(2):
        call("cuGraphLaunch", runs, stream)
        assert free_bytes() == before - 6 * MIB
        assert [number(i) for i in range(4)] == [0, 6 * MIB, 6 * MIB, 6 * MIB]
    call("cuDeviceGraphMemTrim", 0)
    assert free_bytes() == before and number(RESERVED) == 0
    call("cuDeviceSetGraphMemAttribute", 0, USED_HIGH, ref(U64(0)))
    assert number(USED_HIGH) == 0 and number(RESERVED_HIGH) == 6 * MIB
    call("cuDeviceSetGraphMemAttribute", 0, USED, ref(U64(0)), answers=1)
    call("cuGraphAddMemFreeNode", ref(P()), graph, None, S(0), U64(0x1000), answers=1)
    whole = alloc(free_bytes() - 4 * MIB)
    call("cuGraphLaunch", runs, stream, answers=2)
    assert number(USED) == 0 and free_bytes() == 4 * MIB
    call("cuMemFree_v2", whole)
    call("cuGraphLaunch", runs, stream)
    alloc(free_bytes() + 6 * MIB)
    assert number(RESERVED) == 0


def kept():
    """Memory that a graph does not free lives on, and another launch has to wait for its end."""
    primary()
    before, stream, graph = free_bytes(), made("cuStreamCreate", 1), made("cuGraphCreate", 0)
    params = NodeParams(type=10, take=Take(pool=PoolProps(type=1, location=HERE), size=2 * MIB))
    made("cuGraphAddNode_v2", graph, None, None, S(0), ref(params))
    address = U64(params.take.address)
    runs = ready(graph)
    call("cuGraphInstantiateWithFlags", ref(P()), graph, U64(1), answers=1)
    call("cuGraphLaunch", runs, stream)
    call("cuMemcpyHtoD_v2", address, b"kept", S(4))
    assert read(address, 4) == b"kept" and number(USED) == 2 * MIB
    call("cuGraphLaunch", runs, stream, answers=1)
    call("cuGraphExecDestroy", runs)
    frees = ready(graph, 1)
    call("cuGraphLaunch", frees, stream)
    assert number(USED) == 2 * MIB
    call("cuGraphExecDestroy", frees)
    call("cuGraphDestroy", graph)
    assert read(address, 4) == b"kept"
    call("cuMemFree_v2", address)
    assert (number(USED), number(RESERVED)) == (0, 2 * MIB)
    call("cuMemcpyHtoD_v2", address, b"gone", S(4), answers=1)
    call("cuDeviceGraphMemTrim", 0)
    assert free_bytes() == before


def captured_memory():
    primary()
    before, stream = free_bytes(), made("cuStreamCreate", 1)
    capture(stream)
    address = made("cuMemAllocAsync", S(3 * MIB), stream, kind=U64)
    call("cuMemsetD8Async", address, 0x5A, S(3 * MIB), stream)
    call("cuMemFreeAsync", address, stream)
    graph = end(stream)
    assert kinds(graph) == [10, 0, 11] and free_bytes() == before
    call("cuGraphLaunch", ready(graph), stream)
    assert number(USED_HIGH) == 4 * MIB and number(USED) == 0
    call("cuDevicePrimaryCtxReset_v2", 0)
    primary()
    assert free_bytes() == before and number(RESERVED) == 0


def uploaded():
    """An upload takes what a launch will need, and nothing lives yet."""
    primary()
    before, stream = free_bytes(), made("cuStreamCreate", 1)
    graph, address = allocating(5 * MIB, 9 * MIB)
    runs = ready(graph)
    call("cuGraphUpload", runs, stream)
    assert free_bytes() == before - 16 * MIB and [number(i) for i in range(3)] == [0, 0, 16 * MIB]
    call("cuGraphLaunch", runs, stream)
    assert free_bytes() == before - 16 * MIB and number(USED) == 6 * MIB
    call("cuDeviceGraphMemTrim", 0)
    assert number(RESERVED) == 6 * MIB
    call("cuMemFreeAsync", address, stream)
    call("cuDeviceGraphMemTrim", 0)
    call("cuGraphExecDestroy", runs)
    said = (U64 * 4)(2, stream.value, 7, 7)
    call("cuGraphInstantiateWithParams", ref(runs), graph, ref(said))
    assert said[:3] == [2, stream.value, 0] and said[3] & 0xFFFFFFFF == 0 and number(RESERVED) == 16 * MIB


main(globals())
