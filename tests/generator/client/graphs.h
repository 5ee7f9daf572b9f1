/* Graphs that allocate, their clones and updates. */
#pragma once
#include "world.h"

/* A graph that allocates, and frees it again if `frees`; ready to be launched. */
static int graph(struct place *at, uint64_t bytes, int device, int frees) {
    struct {
        int kind, handles, where, id;
        unsigned char rest[72];
        void *access;
        size_t count, bytes;
        uint64_t address;
    } params = {1, 0, 1, device, {0}, 0, 0, bytes, 0};
    uint64_t node, free_node, graph, exec;
    int result = CALL("cuGraphCreate", (uint64_t *, unsigned), &graph, 0);
    if (result) return result;
    result = CALL("cuGraphAddMemAllocNode", (uint64_t *, uint64_t, void *, size_t, void *), &node, graph, 0, 0,
                  &params);
    if (!result && frees)
        result = CALL("cuGraphAddMemFreeNode", (uint64_t *, uint64_t, uint64_t *, size_t, uint64_t), &free_node,
                      graph, &node, 1, params.address);
    if (!result) result = CALL("cuGraphInstantiateWithFlags", (uint64_t *, uint64_t, uint64_t), &exec, graph, 0);
    if (result) {
        CALL("cuGraphDestroy", (uint64_t), graph);
        return result;
    }
    at->handle = exec;
    at->other = graph;
    at->address = frees ? 0 : params.address;
    return 0;
}

/* What a launch left behind is freed in the same stream. */
static int launch_of(uint64_t exec, uint64_t address) {
    int result = CALL("cuGraphLaunch", (uint64_t, void *), exec, 0);
    if (!result && address) result = CALL("cuMemFreeAsync", (uint64_t, void *), address, 0);
    return result;
}

/* A copy of a graph without memory of its own has nodes at the same addresses: it is launched by turns. */
static int clone_of(struct place *at) {
    uint64_t copy, exec;
    int result = CALL("cuGraphClone", (uint64_t *, uint64_t), &copy, at->other);
    if (result) return SKIPPED;
    result = CALL("cuGraphInstantiateWithFlags", (uint64_t *, uint64_t, uint64_t), &exec, copy, 0);
    if (!result) {
        result = launch_of(exec, at->address);
        CALL("cuGraphExecDestroy", (uint64_t), exec);
    } else if (result != 2)
        result = SKIPPED;
    CALL("cuGraphDestroy", (uint64_t), copy);
    return result;
}

static int update_of(struct place *at) {
    struct {
        int result;
        void *nodes[2];
    } outcome;
    int result = CALL("cuGraphExecUpdate_v2", (uint64_t, uint64_t, void *), at->handle, at->other, &outcome);
    return result && result != 2 ? SKIPPED : result;
}
