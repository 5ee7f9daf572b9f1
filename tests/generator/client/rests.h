/* What is asked and done while no thread runs: what is free, ends of contexts, children. */
#pragma once
#include "world.h"

static uint64_t reserved(uint64_t pool) {
    uint64_t bytes = 0;
    CALL("cuMemPoolGetAttribute", (uint64_t, int, void *), pool, 5, &bytes);
    return bytes;
}

/* Of each device: what is free and in all, what pools and graphs have reserved, and the answer to a
 * request for everything. */
static void rest_of(int device) {
    size_t free = 0, total = 0;
    uint64_t pool = 0, pools = 0, place = UNTOUCHED;
    /* Where there was no room for a primary context, a thread's own one. */
    void *any = primary[device];
    for (int t = 0; t < THREADS; t++)
        if (threads[t].own && home(t) == device) {
            CALL("cuCtxSetCurrent", (void *), threads[t].own);
            CALL("cuCtxSynchronize", (void));
            if (!any) any = threads[t].own;
        }
    CALL("cuCtxSetCurrent", (void *), any);
    CALL("cuCtxSynchronize", (void));
    CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
    int result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &place, total);
    CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
    if (!CALL("cuDeviceGetDefaultMemPool", (uint64_t *, int), &pool, device)) pools = reserved(pool);
    pools += shared_pool[device].handle ? reserved(shared_pool[device].handle) : 0;
    pools += managed_pool[device].handle ? reserved(managed_pool[device].handle) : 0;
    uint64_t graphs = 0;
    if (!CALL("cuDeviceGetGraphMemAttribute", (int, int, void *), device, 2, &graphs)) pools += graphs;
    for (int t = 0; t < THREADS; t++)
        for (int p = 0; p < PLACES; p++) {
            struct place *at = &threads[t].places[p];
            if (WAS("pool") && at->device == device) pools += reserved(at->handle);
        }
    printf("%lu %lu %lu %d %d%s", free, total, pools, result, place == UNTOUCHED, device + 1 < DEVICES ? " " : "\n");
}

/* A primary context ends, and begins anew. One that a green context keeps is left alone. */
static void primary_ends(const char *name, int device) {
    int result = SKIPPED, again = 0;
    if (!is_green(device)) {
        result = CALL(name, (int), device);
        if (!result) ended(primary[device], device);
        again = CALL("cuDevicePrimaryCtxRetain", (void **, int), &primary[device], device);
        if (again) primary[device] = 0;
    }
    printf("%d %d\n", result, again);
}

extern char **environ;

/* A child of every kind: two that execute at once, one that lives on and has nothing of ours: it closes the
 * descriptors that it was born with, because a driver keeps memory for every copy of one. */
static void children(void) {
    int over[2];
    char done = 0;
    pid_t child;
    char *arguments[] = {"true", 0};
    int status, result = posix_spawn(&child, "/bin/true", 0, 0, arguments, environ);
    if (!result) waitpid(child, &status, 0);
    child = vfork();
    if (!child) {
        execv("/bin/true", arguments);
        _exit(1);
    }
    waitpid(child, &status, 0);
    if (pipe(over)) exit(3);
    child = fork();
    if (!child) {
        uint64_t at;
        /* A driver is not to be used in a fork; whatever it answers, nothing of the parent's changes. */
        CALL("cuCtxSetCurrent", (void *), primary[0]);
        for (int t = 0; t < THREADS; t++)
            for (int p = 0; p < PLACES; p++)
                if (threads[t].places[p].handle)
                    CALL("cuMemFree_v2", (uint64_t), threads[t].places[p].handle);
        if (!CALL("cuMemAlloc_v2", (uint64_t *, size_t), &at, MIB)) _exit(1);
        for (int t = 0; t < THREADS; t++)
            for (int p = 0; p < PLACES; p++)
                if (threads[t].places[p].descriptor) close(threads[t].places[p].descriptor);
        if (write(over[1], "", 1) != 1) _exit(1);
        for (;;) pause();
    }
    close(over[1]);
    if (read(over[0], &done, 1) != 1) child = -1;
    close(over[0]);
    printf("%d\n", child);
}
