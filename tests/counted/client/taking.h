/* A node of a graph that allocates. The driver's functions are called by CALL. */
#pragma once
#include <stdint.h>

typedef struct location {
    int kind, id;
} location;
typedef struct pool_properties {
    int kind, handles;
    location where;
    uint64_t rest[9];
} pool_properties;
typedef struct taking {
    pool_properties pool;
    uint64_t access, accesses, size, address;
} taking;

static int take(uint64_t graph, uint64_t *at, uint64_t bytes, int device) {
    taking t = {.pool = {.kind = 1, .where = {1, device}}, .size = bytes};
    uint64_t node;
    int result = CALL("cuGraphAddMemAllocNode", (uint64_t *, uint64_t, void *, size_t, void *), &node,
                      graph, 0, 0, &t);
    *at = t.address;
    return result;
}
