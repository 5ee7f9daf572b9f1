/* What other objects keep of memory: sparse arrays, multicast objects, descriptors, external memory, green
   contexts. */
#pragma once
#include "world.h"

/* A sparse array of floats of which each row of tiles is a page of the memory that goes with it. */
static int sparse(struct place *at, uint64_t bytes, int device) {
    struct {
        size_t n[3];
        unsigned format, channels, flags;
    } wide = {{32 * 128, bytes / (2 * MIB) * 128, 0}, 32, 1, 64};
    properties tiles = {1, 0, 1, device, {0}};
    tiles.rest[10] = 1;
    int result = CALL("cuArray3DCreate_v2", (uint64_t *, void *), &at->other, &wide);
    if (result) return result;
    uint64_t handle = UNTOUCHED;
    result = CALL("cuMemCreate", (uint64_t *, size_t, void *, uint64_t), &handle, bytes, &tiles, 0);
    if (result) CALL("cuArrayDestroy", (uint64_t), at->other);
    at->handle = handle;
    return result;
}

static int row(struct place *at, uint64_t number, int maps, int device) {
    struct {
        int resource_kind;
        uint64_t resource;
        uint64_t part;
        unsigned level, layer, x, y, z, width, height, depth;
        int operation, handle_kind;
        uint64_t handle, offset;
        unsigned devices, flags, reserved[2];
    } info = {0};
    number %= at->bytes / (2 * MIB);
    if (maps && !at->is_held) return SKIPPED;
    info.resource = at->other;
    info.y = 128 * (unsigned)number;
    info.width = 32 * 128, info.height = 128, info.depth = 1;
    info.operation = maps ? 1 : 2;
    info.handle = maps ? at->handle : 0;
    info.offset = maps ? number * 2 * MIB : 0;
    info.devices = 1u << device;
    int result = CALL("cuMemMapArrayAsync", (void *, unsigned, void *), &info, 1, 0);
    if (!result) at->rows[number] = (unsigned char)maps;
    return result;
}

/* A multicast object of one device, and memory for it. */
static int multicast(struct place *at, uint64_t bytes, int device) {
    struct {
        unsigned devices;
        size_t size;
        uint64_t handles, flags;
    } params = {1, bytes, 0, 0};
    properties on_device = {1, 0, 1, device, {0}};
    int result = CALL("cuMulticastCreate", (uint64_t *, void *), &at->other, &params);
    if (result) return result;
    CALL("cuMulticastAddDevice", (uint64_t, int), at->other, device);
    uint64_t handle = UNTOUCHED;
    result = CALL("cuMemCreate", (uint64_t *, size_t, void *, uint64_t), &handle, bytes, &on_device, 0);
    if (result) CALL("cuMemRelease", (uint64_t), at->other);
    at->handle = handle;
    return result;
}

static int bind_to(struct place *at, int binds, int device) {
    if (binds ? at->is_bound || !at->is_held : !at->is_bound) return SKIPPED;
    int result = binds ? CALL("cuMulticastBindMem", (uint64_t, size_t, uint64_t, size_t, size_t, uint64_t),
                              at->other, 0, at->handle, 0, at->bytes, 0)
                       : CALL("cuMulticastUnbind", (uint64_t, int, size_t, size_t), at->other, device, 0, at->bytes);
    if (!result) at->is_bound = binds;
    return result;
}

static int export_fd(struct place *at) {
    int descriptor = -1;
    int result = CALL("cuMemExportToShareableHandle", (int *, uint64_t, int, uint64_t), &descriptor, at->handle, 1, 0);
    if (!result) at->descriptor = descriptor;
    at->is_of_handle = !result;
    return result;
}

/* Handles for other nodes (CU_MEM_HANDLE_TYPE_FABRIC) of 64 bytes. */
typedef struct {
    unsigned char bytes[64];
} fabric;
static int export_fabric(struct place *at, fabric *to) {
    return CALL("cuMemExportToShareableHandle", (fabric *, uint64_t, int, uint64_t), to, at->handle, 8, 0);
}
static int import_fabric(uint64_t *handle, fabric *from) {
    return CALL("cuMemImportFromShareableHandle", (uint64_t *, fabric *, int), handle, from, 8);
}
static int import_descriptor(uint64_t *handle, int from) {
    return CALL("cuMemImportFromShareableHandle", (uint64_t *, uint64_t, int), handle, (uint64_t)from, 1);
}

/* The process's own memory by its descriptor, or by a handle for other nodes: another handle of it. */
static int import_again(struct place *at, int by_fabric) {
    fabric handle;
    if (!by_fabric) return import_descriptor(&at->again, at->descriptor);
    int result = export_fabric(at, &handle);
    return result ? result : import_fabric(&at->again, &handle);
}
static int forget(struct place *at) {
    int result = CALL("cuMemRelease", (uint64_t), at->again);
    if (!result) at->again = 0;
    return result;
}

/* A descriptor of the addresses of memory that has pages of its own, or of what is mapped (dma-buf). */
static int describe(struct place *at) {
    int descriptor = -1;
    uint64_t start = at->mapped ? at->mapped : at->handle;
    int result = CALL("cuMemGetHandleForAddressRange", (int *, uint64_t, size_t, int, uint64_t), &descriptor, start,
                      at->bytes / 4096 * 4096, 1, 0);
    if (!result) at->descriptor = descriptor;
    at->is_of_handle = 0;
    return result;
}

/* Memory of another interface: its handle, and a buffer of it. */
static int external(struct place *at, uint64_t bytes) {
    struct {
        int kind, padding, descriptor, rest[3];
        unsigned long long size;
        unsigned flags, reserved[16];
    } params = {1, 0, dup(2), {0}, bytes, 0, {0}};
    struct {
        unsigned long long offset, size;
        unsigned flags, reserved[16];
    } buffer = {0, bytes, 0, {0}};
    uint64_t handle = UNTOUCHED;
    int result = CALL("cuImportExternalMemory", (uint64_t *, void *), &handle, &params);
    at->handle = handle;
    if (result) {
        close(params.descriptor);
        return result;
    }
    return CALL("cuExternalMemoryGetMappedBuffer", (uint64_t *, uint64_t, void *), &at->other, handle, &buffer);
}

static int green(uint64_t *at, int device) {
    static __thread unsigned char resource[256];
    uint64_t described;
    int result = CALL("cuDeviceGetDevResource", (int, void *, int), device, resource, 1);
    if (!result) result = CALL("cuDevResourceGenerateDesc", (uint64_t *, void *, unsigned), &described, resource, 1);
    if (!result) result = CALL("cuGreenCtxCreate", (uint64_t *, uint64_t, int, unsigned), at, described, device, 1);
    return result;
}

static int array(const char *name, uint64_t *at, uint64_t width, uint64_t height, unsigned levels) {
    struct {
        size_t n[3];
        unsigned format, channels, flags;
    } wide = {{width, height, 0}, 32, 1, 0};
    if (levels) return CALL(name, (uint64_t *, void *, unsigned), at, &wide, levels);
    return CALL(name, (uint64_t *, void *), at, &wide);
}

static int contexts(int device) {
    int active = 0;
    unsigned flags;
    CALL("cuDevicePrimaryCtxGetState", (int, unsigned *, int *), device, &flags, &active);
    for (int t = 0; t < THREADS; t++) active += threads[t].own != 0 && home(t) == device;
    return active;
}

/* Whether a green context keeps the primary one. */
static int is_green(int device) {
    for (int t = 0; t < THREADS; t++)
        for (int p = 0; p < PLACES; p++)
            if (!strcmp(threads[t].places[p].kind, "green") && home(t) == device) return 1;
    return 0;
}
