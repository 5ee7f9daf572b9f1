"""Graphs and stream capture: what is noted, what happens at a launch, and what a capture forbids."""

import time

from graph import *


def launched():
    """A captured stream does nothing until its graph is launched, and then it takes its time."""
    primary()
    spin, stream, to = kernel("spin_ms_100"), made("cuStreamCreate", 1), alloc(64)
    sent = ctypes.create_string_buffer(b"captured", 8)
    assert status(stream) == 0
    capture(stream)
    assert status(stream) == 1
    launch(spin, stream)
    call("cuMemcpyHtoDAsync_v2", to, sent, S(8), stream)
    launch(spin, stream)
    graph = end(stream)
    assert status(stream) == 0 and kinds(graph) == [0, 1, 0]
    assert read(to, 8) == bytes(8)
    runs = ready(graph)
    call("cuGraphDestroy", graph)
    for text in (b"captured", b"the next"):
        ctypes.memmove(sent, text, 8)
        start = time.monotonic()
        call("cuGraphLaunch", runs, stream)
        call("cuStreamSynchronize", stream)
        assert time.monotonic() - start >= 0.2
        assert read(to, 8) == text
    call("cuGraphExecDestroy", runs)
    call("cuGraphLaunch", runs, stream, answers=1)
    call("cuGraphDestroy", graph, answers=1)


def joined():
    """A stream that waits for a captured event is captured, until it is waited for."""
    primary()
    spin, one, other = kernel("spin_us_1"), made("cuStreamCreate", 1), made("cuStreamCreate", 1)
    fork, join = made("cuEventCreate", 2), made("cuEventCreate", 2)
    for joins in (True, False):
        capture(one)
        launch(spin, one)
        call("cuEventRecord", fork, one)
        call("cuStreamWaitEvent", other, fork, 0)
        assert status(other) == 1
        launch(spin, other)
        call("cuEventRecord", join, other)
        call("cuEventQuery", join, answers=907)
        if joins:
            call("cuStreamWaitEvent", one, join, 0)
            call("cuStreamEndCapture", other, ref(P()), answers=903)
            launch(spin, one)
            assert kinds(end(one)) == [0, 0, 0]
        else:
            end(one, answers=904)
        assert status(other) == 0
    alone = made("cuEventCreate", 2)
    call("cuEventRecord", alone, other)
    capture(one)
    call("cuStreamWaitEvent", one, alone, 0, answers=905)
    end(one, answers=901)


def forbidden():
    """What a capture forbids ends it, unless the thread has said that it knows."""
    primary()
    spin, event, stream = kernel("spin_us_1"), made("cuEventCreate", 2), made("cuStreamCreate", 0)
    call("cuStreamBeginCapture_v2", None, GLOBAL, answers=900)
    call("cuStreamBeginCapture_v2", stream, 7, answers=1)
    call("cuStreamEndCapture", stream, ref(P()), answers=401)
    for name, arguments, code in (
        ("cuMemAlloc_v2", (ref(U64()), S(1)), 900),
        ("cuEventQuery", (event,), 900),
        ("cuCtxSynchronize", (), 900),
        ("cuStreamSynchronize", (stream,), 900),
        ("cuStreamQuery", (stream,), 900),
        ("cuLaunchKernel", (spin, 1, 1, 1, 1, 1, 1, 0, None, None, None), 906),
    ):
        capture(stream)
        call("cuStreamBeginCapture_v2", stream, GLOBAL, answers=401)
        call(name, *arguments, answers=code)
        assert status(stream) == 2, name
        launch(spin, stream, answers=901)
        end(stream, answers=901)
    mode = U32(RELAXED)
    capture(stream)
    call("cuThreadExchangeStreamCaptureMode", ref(mode))
    assert mode.value == GLOBAL
    alloc(1)
    call("cuEventQuery", event)
    assert status(stream) == 1
    end(stream)


def informed():
    primary()
    spin, stream = kernel("spin_us_1"), made("cuStreamCreate", 1)
    state, number_, graph, nodes, count = U32(), U64(), P(), P(), S()
    capture(stream, RELAXED)
    launch(spin, stream)
    call("cuStreamGetCaptureInfo_v2", stream, ref(state), ref(number_), ref(graph), ref(nodes), ref(count))
    assert (state.value, count.value) == (1, 1) and number_.value > 0
    node = ctypes.cast(nodes, ctypes.POINTER(P))[0]
    more = P()
    call("cuGraphAddKernelNode_v2", ref(more), graph, ref(P(node)), S(1),
         ref(Kernel(function=spin, grid=(1, 1, 1), block=(1, 1, 1))))
    call("cuStreamUpdateCaptureDependencies", stream, ref(more), S(1), 1)
    call("cuStreamGetCaptureInfo_v3", stream, ref(state), None, None, ref(nodes), None, ref(count))
    assert ctypes.cast(nodes, ctypes.POINTER(P))[0] == more.value
    ended = end(stream)
    assert ended.value == graph.value and kinds(ended) == [0, 0]


def nested():
    """A graph in a graph does what it does; one with memory can only be moved there."""
    primary()
    stream, inner, to = made("cuStreamCreate", 1), made("cuGraphCreate", 0), alloc(64)
    fill = (U64 * 4)(to.value, 0, 0x5A | 1 << 32, 4)
    fill = (U64 * 5)(*fill, 1)
    call("cuGraphAddMemsetNode", ref(P()), inner, None, S(0), ref(fill), None)
    outer = made("cuGraphCreate", 0)
    node = made("cuGraphAddChildGraphNode", outer, None, S(0), inner)
    own = P()
    call("cuGraphChildGraphNodeGetGraph", node, ref(own))
    assert own.value != inner.value and kinds(own) == [2] and kinds(outer) == [4]
    call("cuGraphDestroy", inner)
    runs = ready(outer)
    call("cuGraphLaunch", runs, stream)
    call("cuGraphExecDestroy", runs)
    call("cuStreamSynchronize", stream)
    assert read(to, 5) == b"\x5a" * 4 + b"\0"
    graph, address = allocating(3 * MIB)
    call("cuGraphAddChildGraphNode", ref(P()), outer, None, S(0), graph, answers=1)
    call("cuGraphClone", ref(P()), graph, answers=1)
    params = NodeParams(type=4)
    ctypes.memmove(ref(params, 16), ref((U64 * 2)(graph.value, 1)), 16)
    call("cuGraphAddNode_v2", ref(P()), outer, None, None, S(0), ref(params))
    call("cuGraphLaunch", ready(outer), stream)
    assert number(USED) == 4 * MIB
    call("cuGraphDestroyNode", node, answers=1)
    call("cuGraphDestroy", outer)
    call("cuGraphDestroy", graph, answers=1)
    call("cuMemFree_v2", address)


def told():
    """Nodes tell what they are; a clone has the same ones; a node is taken out."""
    primary()
    graph, address = allocating(5, 3 * MIB)
    nodes, count = (P * 3)(), S(3)
    call("cuGraphGetNodes", graph, nodes, ref(count))
    take, freed = Take(), U64()
    call("cuGraphMemAllocNodeGetParams", P(nodes[1]), ref(take))
    assert (take.size, take.pool.type, take.pool.location.type, take.pool.location.id) == (3 * MIB, 1, 1, 0)
    call("cuGraphMemFreeNodeGetParams", P(nodes[2]), ref(freed))
    assert freed.value == take.address != address.value
    call("cuGraphMemFreeNodeGetParams", P(nodes[1]), ref(freed), answers=1)
    call("cuGraphMemAllocNodeGetParams", P(nodes[2]), ref(take), answers=1)
    call("cuGraphAddMemFreeNode", ref(P()), graph, None, S(0), freed, answers=1)
    call("cuGraphDestroyNode", P(nodes[2]), answers=1)
    plain = made("cuGraphCreate", 0)
    first = made("cuGraphAddEmptyNode", plain, None, S(0))
    second = made("cuGraphAddEmptyNode", plain, ref(first), S(1))
    clone = made("cuGraphClone", plain)
    found = made("cuGraphNodeFindInClone", second, clone)
    before, root = P(), P()
    call("cuGraphNodeGetDependencies", found, ref(before), ref(S(1)))
    call("cuGraphGetRootNodes", clone, ref(root), ref(S(1)))
    assert kinds(clone) == [5, 5] and before.value == root.value
    call("cuGraphDestroyNode", first, answers=1)
    call("cuGraphDestroyNode", second)
    assert kinds(plain) == [5] and kinds(clone) == [5, 5]


def updated():
    """A graph of the same shape brings another up to date; any other is refused with a reason."""
    primary()
    stream, to = made("cuStreamCreate", 1), alloc(8)

    def filling(value, nodes=1):
        graph = made("cuGraphCreate", 0)
        for _ in range(nodes):
            fill = (U64 * 5)(to.value, 0, value | 1 << 32, 4, 1)
            call("cuGraphAddMemsetNode", ref(P()), graph, None, S(0), ref(fill), None)
        return graph

    runs, node, why = ready(filling(1)), P(7), U32(7)
    call("cuGraphExecUpdate", runs, filling(2), ref(node), ref(why))
    assert (node.value, why.value) == (None, 0)
    call("cuGraphLaunch", runs, stream)
    call("cuStreamSynchronize", stream)
    assert read(to, 4) == b"\2" * 4
    call("cuGraphExecUpdate", runs, filling(3, 2), ref(node), ref(why), answers=910)
    assert why.value == 2
    empty, outcome = made("cuGraphCreate", 0), (U64 * 3)()
    node = made("cuGraphAddEmptyNode", empty, None, S(0))
    call("cuGraphExecUpdate_v2", runs, empty, ref(outcome), answers=910)
    # The result is 32 bits wide, and what lies between it and the nodes says nothing.
    assert [outcome[0] & 0xFFFFFFFF, *outcome[1:]] == [3, node.value, 0]
    graph, _ = allocating(MIB)
    allocates = ready(graph)
    call("cuGraphExecUpdate_v2", allocates, graph, ref(outcome))
    call("cuGraphExecUpdate_v2", allocates, allocating(MIB)[0], ref(outcome), answers=910)
    assert outcome[0] & 0xFFFFFFFF == 6


def chosen():
    """A condition chooses a graph; no kernel changes it here."""
    context, stream, to = primary(), made("cuStreamCreate", 1), alloc(8)
    graph = made("cuGraphCreate", 0)
    handle = made("cuGraphConditionalHandleCreate", graph, context, 1, 1, kind=U64)
    params = NodeParams(type=13)
    said = (U64 * 4)(handle.value, 2 | 2 << 32, 0, context.value)
    ctypes.memmove(ref(params, 16), ref(said), 32)
    call("cuGraphAddNode_v2", ref(P()), graph, None, None, S(0), ref(params))
    ctypes.memmove(ref(said), ref(params, 16), 32)
    bodies = ctypes.cast(said[2], ctypes.POINTER(P))
    for i in range(2):
        fill = (U64 * 5)(to.value, 0, 3 + i | 1 << 32, 4, 1)
        call("cuGraphAddMemsetNode", ref(P()), P(bodies[i]), None, S(0), ref(fill), None)
    call("cuGraphLaunch", ready(graph), stream)
    call("cuStreamSynchronize", stream)
    assert read(to, 4) == b"\4" * 4 and kinds(graph) == [13]
    call("cuGraphClone", ref(P()), graph, answers=1)


def evented():
    """A node records an event anew at each launch, and another waits for what was recorded last; both also as
    nodes of any kind."""
    primary()
    spin, stream, other = kernel("spin_ms_50"), made("cuStreamCreate", 1), made("cuStreamCreate", 1)
    done, node = made("cuEventCreate", 0), P()
    for any_kind in (False, True):
        capture(stream)
        launch(spin, stream)
        first, second = end(stream), made("cuGraphCreate", 0)
        count = S(1)
        after = (P * 1)()
        call("cuGraphGetNodes", first, after, ref(count))
        for kind, graph, front in ((7, first, 1), (6, second, 0)):
            what, out = "Record" if kind == 7 else "Wait", P()
            if any_kind:
                params = NodeParams(type=kind)
                U64.from_buffer(params, 16).value = done.value
                call("cuGraphAddNode", ref(node), graph, after, S(front), ref(params))
            else:
                call(f"cuGraphAddEvent{what}Node", ref(node), graph, after, S(front), done)
            call(f"cuGraphEvent{what}NodeGetEvent", node, ref(out))
            assert out.value == done.value
        assert kinds(first) == [0, 7] and kinds(second) == [6]
        records, waits = ready(first), ready(second)
        for _ in range(2):
            call("cuGraphLaunch", records, stream)
            call("cuEventQuery", done, answers=600)
            call("cuGraphLaunch", waits, other)
            call("cuStreamQuery", other, answers=600)
            call("cuEventSynchronize", done)
            call("cuStreamSynchronize", other)
    call("cuGraphEventWaitNodeGetEvent", P(after[0]), ref(P()), answers=1)


def on_runtime(path):
    run = runtime(path)
    run("cudaFree", None)
    stream, graph, runs, address, before = P(), P(), P(), P(), runtime_free(run)
    run("cudaStreamCreate", ref(stream))
    run("cudaStreamBeginCapture", stream, GLOBAL)
    run("cudaMallocAsync", ref(address), S(7 * MIB), stream)
    run("cudaMemsetAsync", address, 1, S(MIB), stream)
    run("cudaStreamEndCapture", stream, ref(graph))
    run("cudaGraphInstantiate", ref(runs), graph, None, None, S(0))
    assert runtime_free(run) == before
    run("cudaGraphLaunch", runs, stream)
    run("cudaStreamSynchronize", stream)
    assert runtime_free(run) == before - 8 * MIB
    got, used = ctypes.create_string_buffer(4), U64()
    run("cudaMemcpy", got, address, S(4), 2)
    assert got.raw == b"\1" * 4
    run("cudaDeviceGetGraphMemAttribute", 0, USED, ref(used))
    assert used.value == 8 * MIB
    run("cudaFreeAsync", address, stream)
    run("cudaDeviceGraphMemTrim", 0)
    assert runtime_free(run) == before
    run("cudaGraphExecDestroy", runs)
    run("cudaGraphDestroy", graph)


main(globals())
