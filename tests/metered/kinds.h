/* What the client launches and copies, by the words that name it. */
#pragma once
#include "calls.h"
#include <string.h>

#define FUNCTION 0x100000000ul
#define SPINS ((void *)(FUNCTION - 16))
#define VARIES ((void *)(FUNCTION - 32))
#define KERNEL(us) ((void *)(FUNCTION + 16 * (uintptr_t)(us)))
#define SIZES unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned
#define ONES 1, 1, 1, 1, 1, 1, 0

/* What the words have made, by its number. */
static void *streams[16], *graphs[16], *execs[16], *contexts[24];

static int launch(const char *kind, int us, void *s) {
    void *f = us == -2 ? VARIES : us < 0 ? SPINS : KERNEL(us);
    if (!strcmp(kind, "refused")) kind = "kernel", f = 0;
    if (!strcmp(kind, "kernel"))
        return CALL("cuLaunchKernel", (void *, SIZES, void *, void **, void **), f, ONES, s, 0, 0);
    if (!strcmp(kind, "kernel-ptsz"))
        return CALL("cuLaunchKernel_ptsz", (void *, SIZES, void *, void **, void **), f, ONES, s, 0, 0);
    if (!strcmp(kind, "cooperative"))
        return CALL("cuLaunchCooperativeKernel", (void *, SIZES, void *, void **), f, ONES, s, 0);
    if (!strcmp(kind, "cooperative-ptsz"))
        return CALL("cuLaunchCooperativeKernel_ptsz", (void *, SIZES, void *, void **), f, ONES, s, 0);
    struct config {
        unsigned x, y, z, bx, by, bz, shared;
        void *stream, *attributes;
        unsigned count;
    } config = {1, 1, 1, 1, 1, 1, 0, s, 0, 0};
    if (!strcmp(kind, "ex")) return CALL("cuLaunchKernelEx", (void *, void *, void **, void **), &config, f, 0, 0);
    if (!strcmp(kind, "ex-ptsz"))
        return CALL("cuLaunchKernelEx_ptsz", (void *, void *, void **, void **), &config, f, 0, 0);
    /* Programmatic stream serialisation: attribute 6, allowed. */
    uint64_t early[9] = {6, 1};
    config.attributes = early, config.count = 1;
    if (!strcmp(kind, "early")) return CALL("cuLaunchKernelEx", (void *, void *, void **, void **), &config, f, 0, 0);
    struct {
        void *f;
        unsigned x, y, z, bx, by, bz, shared;
        void *stream, **params;
    } both[2] = {{f, ONES, s, 0}, {f, ONES, streams[15], 0}};
    if (!strcmp(kind, "multi")) return CALL("cuLaunchCooperativeKernelMultiDevice", (void *, unsigned, unsigned), both, 2, 0);
    if (!strcmp(kind, "plain")) return CALL("cuLaunch", (void *), f);
    if (!strcmp(kind, "grid")) return CALL("cuLaunchGrid", (void *, int, int), f, 1, 1);
    if (!strcmp(kind, "grid-async")) return CALL("cuLaunchGridAsync", (void *, int, int, void *), f, 1, 1, s);
    if (!strncmp(kind, "cuMemset", 8)) {
        int is_async = strstr(kind, "Async") != 0, is_2d = strstr(kind, "D2D") != 0;
        if (is_2d && is_async) return CALL(kind, (uint64_t, size_t, unsigned, size_t, size_t, void *), 0, 0, 0, 64, 1, s);
        if (is_2d) return CALL(kind, (uint64_t, size_t, unsigned, size_t, size_t), 0, 0, 0, 64, 1);
        if (is_async) return CALL(kind, (uint64_t, unsigned, size_t, void *), 0, 0, 64, s);
        return CALL(kind, (uint64_t, unsigned, size_t), 0, 0, 64);
    }
    fprintf(stderr, "no kind %s\n", kind);
    exit(2);
}

static int copy(const char *kind, size_t bytes) {
    if (!strcmp(kind, "to")) return CALL("cuMemcpyHtoD_v2", (uint64_t, void *, size_t), 0, 0, bytes);
    if (!strcmp(kind, "back")) return CALL("cuMemcpyDtoH_v2", (void *, uint64_t, size_t), 0, 0, bytes);
    if (!strcmp(kind, "to-async")) return CALL("cuMemcpyHtoDAsync_v2", (uint64_t, void *, size_t, void *), 0, 0, bytes, 0);
    if (!strcmp(kind, "back-async")) return CALL("cuMemcpyDtoHAsync_v2", (void *, uint64_t, size_t, void *), 0, 0, bytes, 0);
    if (!strcmp(kind, "own")) return CALL("cuMemcpyAsync_ptsz", (uint64_t, uint64_t, size_t, void *), 0, 0, bytes, 0);
    size_t area[16] = {0}, sizes[2] = {bytes / 2, bytes / 2};
    area[14] = bytes / 16, area[15] = 16;
    if (!strcmp(kind, "area")) return CALL("cuMemcpy2DAsync_v2", (void *, void *), area, 0);
    if (!strcmp(kind, "batch"))
        return CALL("cuMemcpyBatchAsync_v2", (void *, void *, size_t *, size_t, void *, void *, size_t, void *), 0, 0, sizes, 2, 0, 0, 0, 0);
    fprintf(stderr, "no copy %s\n", kind);
    exit(2);
}
