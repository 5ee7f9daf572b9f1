/* Taking into a place, and giving back what is in one. */
#pragma once
#include "graphs.h"
#include "objects.h"

/* The device's current pool is its own one, or the one that all share. */
static int pick_pool(int device, int is_shared) {
    uint64_t pool = shared_pool[device].handle;
    if (!is_shared && CALL("cuDeviceGetDefaultMemPool", (uint64_t *, int), &pool, device)) return SKIPPED;
    return pool ? CALL("cuDeviceSetMemPool", (int, uint64_t), device, pool) : SKIPPED;
}

/* Takes into a free place. Arguments are in units of their own, so that no sequence is without sense. */
static int take(struct line *line, struct place *at) {
    int here = home(line->thread), pool_of = IS("lent") && line->b ? !here : here;
    /* A device, or its first domain (CU_MEM_LOCATION_TYPE_DEVICE_LOCALITY_DOMAIN), which is all of it. */
    int where = IS("create") && line->a / (2 * MIB) % 3 == 0 ? 6 : 1;
    properties on_device = {1, IS("create") ? 9 : 0, where, IS("create") ? (int)line->b % DEVICES : here, {0}};
    uint64_t pitch = UNTOUCHED, handle = UNTOUCHED;
    int result = SKIPPED;
    if (IS("linear")) result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &handle, line->a);
    if (IS("managed"))
        result = CALL("cuMemAllocManaged", (uint64_t *, size_t, unsigned), &handle, line->a, 1);
    if (IS("pitch"))
        result = CALL("cuMemAllocPitch_v2", (uint64_t *, uint64_t *, size_t, size_t, unsigned), &handle,
                      &pitch, line->a, line->b, 4);
    if (IS("array")) result = array("cuArray3DCreate_v2", &handle, line->a, line->b, 0);
    if (IS("mipmap")) result = array("cuMipmappedArrayCreate", &handle, line->a, line->b, 3);
    if (IS("async")) result = CALL("cuMemAllocAsync", (uint64_t *, size_t, void *), &handle, line->a, 0);
    if (IS("lent-managed") && managed_pool[here].handle)
        result = CALL("cuMemAllocFromPoolAsync", (uint64_t *, size_t, uint64_t, void *), &handle, line->a,
                      managed_pool[here].handle, 0);
    if (IS("lent") && shared_pool[pool_of].handle && contexts(pool_of))
        result = CALL("cuMemAllocFromPoolAsync", (uint64_t *, size_t, uint64_t, void *), &handle, line->a,
                      shared_pool[pool_of].handle, 0);
    if (IS("pool")) result = CALL("cuMemPoolCreate", (uint64_t *, void *), &handle, &on_device);
    if (IS("create"))
        result = CALL("cuMemCreate", (uint64_t *, size_t, void *, uint64_t), &handle, line->a, &on_device, 0);
    if (IS("module")) result = CALL("cuModuleLoadData", (uint64_t *, void *), &handle, "image");
    if (IS("green") && primary[here] && !is_green(here)) result = green(&handle, here);
    int is_pair = IS("graph") || IS("sparse") || IS("multi") || IS("external");
    if (IS("graph")) result = graph(at, line->a, here, line->b & 1);
    if (IS("sparse")) result = sparse(at, line->a, here);
    if (IS("external")) result = external(at, line->a);
    if (IS("multi")) result = multicast(at, line->a, here);
    if (is_pair && result) handle = at->handle ? at->handle : UNTOUCHED;
    if (is_pair && result) at->handle = 0;
    if (is_pair && !result) handle = at->handle;
    if (result == 0) {
        strcpy(at->kind, line->call);
        at->handle = handle;
        at->bytes = line->a;
        at->mapped = 0;
        at->is_held = 1;
        at->device = IS("lent") ? pool_of : IS("create") ? on_device.id : here;
        CALL("cuCtxGetCurrent", (void **), &at->context);
        line->address = handle;
    } else if (result != SKIPPED && handle != UNTOUCHED) {
        line->address = 1; /* It wrote where it refused. */
    }
    return result;
}

/* A driver has memory back when its descriptor is closed, and the simulated one when it is asked next: nobody
 * else of the process is in a call meanwhile. */
static pthread_rwlock_t calls = PTHREAD_RWLOCK_INITIALIZER;
static int let_go_of(int descriptor) {
    size_t free, total;
    pthread_rwlock_unlock(&calls);
    pthread_rwlock_wrlock(&calls);
    int result = close(descriptor);
    CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
    pthread_rwlock_unlock(&calls);
    pthread_rwlock_rdlock(&calls);
    return result;
}

/* What has no handle any more lives on where it is mapped, by a descriptor, or by the handle that it was imported by. */
static void lives_on(struct place *at) {
    if (at->mapped) strcpy(at->kind, "mapped");
    else if (at->descriptor) strcpy(at->kind, "closed");
    else if (at->again) strcpy(at->kind, "kept");
    else memset(at, 0, sizeof *at);
}

/* Frees plain memory behind what its stream has yet to come to. */
static void nap(void *unused) { usleep(500); }
static int give_behind(struct place *at) {
    CALL("cuLaunchHostFunc", (void *, void (*)(void *), void *), 0, nap, 0);
    return CALL("cuMemFreeAsync", (uint64_t, void *), at->handle, 0);
}

/* Gives back what is in a place, and empties it. */
static int give(struct line *line, struct place *at) {
    int result = SKIPPED, by_stream = line->a & 1;
    if (WAS("linear") || WAS("pitch") || WAS("managed"))
        result = by_stream ? give_behind(at) : CALL("cuMemFree_v2", (uint64_t), at->handle);
    if (WAS("async") || WAS("lent") || WAS("lent-managed"))
        result = by_stream ? CALL("cuMemFreeAsync", (uint64_t, void *), at->handle, 0)
                           : CALL("cuMemFree_v2", (uint64_t), at->handle);
    if (WAS("array")) result = CALL("cuArrayDestroy", (uint64_t), at->handle);
    if (WAS("mipmap")) result = CALL("cuMipmappedArrayDestroy", (uint64_t), at->handle);
    if (WAS("pool")) result = CALL("cuMemPoolDestroy", (uint64_t), at->handle);
    if (WAS("create") || WAS("foreign")) result = CALL("cuMemRelease", (uint64_t), at->handle);
    if (WAS("kept")) result = CALL("cuMemRelease", (uint64_t), at->again);
    if (WAS("module")) result = CALL("cuModuleUnload", (uint64_t), at->handle);
    if (WAS("import")) result = CALL("cuIpcCloseMemHandle", (uint64_t), at->handle);
    if (WAS("green")) result = CALL("cuGreenCtxDestroy", (uint64_t), at->handle);
    if (WAS("graph")) {
        result = CALL("cuGraphExecDestroy", (uint64_t), at->handle);
        CALL("cuGraphDestroy", (uint64_t), at->other);
    }
    if (WAS("external")) {
        /* In either order. */
        result = by_stream ? CALL("cuMemFree_v2", (uint64_t), at->other) : 0;
        if (!result) result = CALL("cuDestroyExternalMemory", (uint64_t), at->handle);
        if (!result && !by_stream) result = CALL("cuMemFree_v2", (uint64_t), at->other);
    }
    if (WAS("sparse") || WAS("multi")) {
        /* In either order; what is left of the other goes with it. */
        const char *end = WAS("sparse") ? "cuArrayDestroy" : "cuMemRelease";
        result = by_stream ? CALL(end, (uint64_t), at->other) : 0;
        if (!result && at->is_held) result = CALL("cuMemRelease", (uint64_t), at->handle);
        if (!result && !by_stream) result = CALL(end, (uint64_t), at->other);
    }
    if (WAS("tiles")) result = CALL("cuMemRelease", (uint64_t), at->handle);
    if (WAS("closed")) result = let_go_of(at->descriptor);
    if (result || WAS("mapped")) return result;
    if (WAS("closed")) at->descriptor = 0;
    if (WAS("kept")) at->again = 0;
    lives_on(at);
    return result;
}

static int map(struct place *at) {
    if (strcmp(at->kind, "create") || at->mapped) return SKIPPED;
    uint64_t where = 0;
    int result = CALL("cuMemAddressReserve", (uint64_t *, size_t, size_t, uint64_t, uint64_t), &where,
                      at->bytes, 0, 0, 0);
    if (result) return result;
    result = CALL("cuMemMap", (uint64_t, size_t, size_t, uint64_t, uint64_t), where, at->bytes, 0,
                  at->handle, 0);
    if (!result) at->mapped = where;
    return result;
}

static int unmap(struct place *at) {
    if (!at->mapped) return SKIPPED;
    int result = CALL("cuMemUnmap", (uint64_t, size_t), at->mapped, at->bytes);
    if (result) return result;
    CALL("cuMemAddressFree", (uint64_t, size_t), at->mapped, at->bytes);
    at->mapped = 0;
    if (WAS("mapped")) lives_on(at);
    return 0;
}

/* A handle found by its address is a second reference; it is let go at once. */
static int retain(struct place *at) {
    uint64_t again = 0;
    if (!at->mapped) return SKIPPED;
    int result = CALL("cuMemRetainAllocationHandle", (uint64_t *, void *), &again, (void *)at->mapped);
    return result ? result : CALL("cuMemRelease", (uint64_t), again);
}

/* Empties the places of what ended with a context of a device; of what its pools lent where no context
 * of it is left. Of a sparse array the memory stays, if its handle is held. */
static void ended(void *context, int device) {
    int none_left = contexts(device) == 0;
    for (int t = 0; t < THREADS; t++)
        for (int p = 0; p < PLACES; p++) {
            struct place *at = &threads[t].places[p];
            int of_pool = WAS("async") || WAS("lent") || WAS("lent-managed");
            int of_nobody = WAS("create") || WAS("kept") || WAS("foreign") || WAS("mapped") || WAS("pool") || WAS("multi") || WAS("tiles") || WAS("green") || WAS("closed");
            if (of_pool ? !(none_left && at->device == device) : at->context != context || of_nobody) continue;
            if (WAS("linear") && at->descriptor)
                strcpy(at->kind, "closed");
            else if (WAS("sparse") && at->is_held) {
                strcpy(at->kind, "tiles");
                memset(at->rows, 0, sizeof at->rows);
            } else
                memset(at, 0, sizeof *at);
        }
}

static int own_context(struct line *line, struct thread *me) {
    if (IS("context")) {
        if (me->own) return SKIPPED;
        int result = CALL("cuCtxCreate_v2", (void **, unsigned, int), &me->own, 0, home(line->thread));
        if (result) me->own = 0;
        return result;
    }
    if (!me->own) return SKIPPED;
    void *gone = me->own;
    int result = CALL("cuCtxDestroy_v2", (void *), gone);
    if (!result) {
        me->own = 0;
        ended(gone, home(line->thread));
        CALL("cuCtxSetCurrent", (void *), primary[home(line->thread)]);
    }
    return result;
}

/* Whether a call finds a use for a place. */
static int suits(struct line *line, struct place *at) {
    if (IS("give")) return *at->kind && !WAS("mapped");
    if (IS("export")) return WAS("create") && !at->descriptor;
    if (IS("again")) {
        int is_known = line->a & 1 ? WAS("create") : at->is_of_handle && at->descriptor;
        return is_known && !at->again && !at->is_passed;
    }
    if (IS("forget")) return at->again && !WAS("kept");
    if (IS("range")) return (at->mapped || (WAS("linear") && at->bytes > MIB)) && !at->descriptor;
    if (IS("map")) return WAS("create") && !at->mapped;
    if (IS("unmap") || IS("retain")) return at->mapped != 0;
    if (IS("trim")) return WAS("pool");
    if (IS("launch") || IS("upload") || IS("clone") || IS("update")) return WAS("graph");
    if (IS("row")) return WAS("sparse") && at->is_held;
    if (IS("unrow")) return WAS("sparse");
    if (IS("bind")) return WAS("multi") && at->is_held && !at->is_bound;
    if (IS("unbind")) return at->is_bound;
    if (IS("let")) return (WAS("sparse") || WAS("multi")) && at->is_held;
    return !*at->kind;
}
