/*
 * A process that takes and gives back device memory as lines of its standard input say, over several
 * threads, and answers what the driver said. It knows the driver as real programs do: by dlopen.
 *
 *   go N        N lines follow, "thread call place a b"; each thread runs its own in order
 *   rest        looks at every pool, asks for more than there can be, and says what is free
 *   reset D, release D, children, export, import, quit
 *
 * Half of the threads have their contexts on one device, half on another.
 * Every thread has places of its own. A call that finds no use for its place goes to the next one that it
 * finds a use for, or is skipped, so any sequence means something, also after some lines of it were taken
 * out. The answer says which place it was.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define PLACES 8
#define LINES 256
#define DEVICES 2
#define ROWS 96
#define SKIPPED (-1)
#define MIB (1ul << 20)
#define UNTOUCHED 0x7777

static void *cuda;
#define CALL(name, types, ...) (((int(*) types)dlsym(cuda, name))(__VA_ARGS__))

struct place {
    char kind[12];
    uint64_t handle, bytes, mapped;
    /* What goes with the handle: a graph and what it allocates, an array, an object. */
    uint64_t other, address;
    /* Whether the handle itself is still held, whether it is bound, and which rows of tiles are mapped. */
    int is_held, is_bound;
    /* A descriptor of the memory, above 0. */
    int descriptor;
    unsigned char rows[ROWS];
    /* The device that the memory lies on. */
    int device;
    void *context;
};

static struct thread {
    struct place places[PLACES];
    void *own;
} threads[THREADS];
static void *primary[DEVICES];
static struct place shared_pool[DEVICES];

/* The device of a thread's contexts. */
static int home(int thread) { return thread * DEVICES / THREADS; }

static struct line {
    int thread, place, result;
    char call[16];
    uint64_t a, b, address;
} lines[LINES];
static int count;

typedef struct {
    int kind, handles, where, id;
    unsigned char rest[72];
} properties;

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

#define IS(name) (!strcmp(line->call, name))
#define WAS(name) (!strcmp(at->kind, name))

/* Takes into a free place. Arguments are in units of their own, so that no sequence is without sense. */
static int take(struct line *line, struct place *at) {
    int here = home(line->thread), pool_of = IS("lent") && line->b ? !here : here;
    properties on_device = {1, IS("create"), 1, IS("create") ? (int)line->b % DEVICES : here, {0}};
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

/* Gives back what is in a place, and empties it. */
static int give(struct line *line, struct place *at) {
    int result = SKIPPED, by_stream = line->a & 1;
    if (WAS("linear") || WAS("pitch") || WAS("managed"))
        result = CALL("cuMemFree_v2", (uint64_t), at->handle);
    if (WAS("async") || WAS("lent"))
        result = by_stream ? CALL("cuMemFreeAsync", (uint64_t, void *), at->handle, 0)
                           : CALL("cuMemFree_v2", (uint64_t), at->handle);
    if (WAS("array")) result = CALL("cuArrayDestroy", (uint64_t), at->handle);
    if (WAS("mipmap")) result = CALL("cuMipmappedArrayDestroy", (uint64_t), at->handle);
    if (WAS("pool")) result = CALL("cuMemPoolDestroy", (uint64_t), at->handle);
    if (WAS("create")) result = CALL("cuMemRelease", (uint64_t), at->handle);
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
    if (WAS("closed")) result = close(at->descriptor);
    if (result || WAS("mapped")) return result;
    /* What is mapped, or has a descriptor, lives on. */
    int lives = at->mapped ? 2 : at->descriptor && !WAS("closed");
    if (lives) strcpy(at->kind, lives == 2 ? "mapped" : "closed");
    else memset(at, 0, sizeof *at);
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
    if (WAS("mapped") && at->descriptor) strcpy(at->kind, "closed");
    else if (WAS("mapped")) memset(at, 0, sizeof *at);
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
            int of_pool = WAS("async") || WAS("lent");
            int of_nobody = WAS("create") || WAS("mapped") || WAS("pool") || WAS("multi") || WAS("tiles") || WAS("green") || WAS("closed");
            if (of_pool ? !(none_left && at->device == device) : at->context != context || of_nobody) continue;
            if (WAS("sparse") && at->is_held) {
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

static void run(struct line *line) {
    struct thread *me = &threads[line->thread];
    /* The next place of the thread that the call finds a use for, if there is one. */
    for (int i = 0; i < PLACES; i++)
        if (suits(line, &me->places[(line->place + i) % PLACES])) {
            line->place = (line->place + i) % PLACES;
            break;
        }
    struct place *at = &me->places[line->place];
    line->address = 0;
    if (IS("give"))
        line->result = *at->kind && !WAS("mapped") ? give(line, at) : SKIPPED;
    else if (IS("map"))
        line->result = map(at);
    else if (IS("unmap"))
        line->result = unmap(at);
    else if (IS("retain"))
        line->result = retain(at);
    else if (IS("context") || IS("destroy"))
        line->result = own_context(line, me);
    else if (IS("launch"))
        line->result = WAS("graph") ? launch_of(at->handle, at->address) : SKIPPED;
    else if (IS("upload"))
        line->result = WAS("graph") ? CALL("cuGraphUpload", (uint64_t, void *), at->handle, 0) : SKIPPED;
    else if (IS("clone"))
        line->result = WAS("graph") ? clone_of(at) : SKIPPED;
    else if (IS("update"))
        line->result = WAS("graph") ? update_of(at) : SKIPPED;
    else if (IS("graph-trim"))
        line->result = CALL("cuDeviceGraphMemTrim", (int), home(line->thread));
    else if (IS("row") || IS("unrow"))
        line->result = WAS("sparse") ? row(at, line->a, IS("row"), home(line->thread)) : SKIPPED;
    else if (IS("export"))
        line->result = WAS("create") && !at->descriptor ? export_fd(at) : SKIPPED;
    else if (IS("bind") || IS("unbind"))
        line->result = WAS("multi") ? bind_to(at, IS("bind"), home(line->thread)) : SKIPPED;
    else if (IS("let")) {
        line->result = SKIPPED;
        if ((WAS("sparse") || WAS("multi")) && at->is_held)
            line->result = CALL("cuMemRelease", (uint64_t), at->handle);
        if (!line->result) at->is_held = 0;
    } else if (IS("sync"))
        line->result = CALL("cuCtxSynchronize", (void));
    else if (IS("trim"))
        line->result = WAS("pool") ? CALL("cuMemPoolTrimTo", (uint64_t, size_t), at->handle, 0) : SKIPPED;
    else if ((IS("heap") || IS("print")) && !me->own && line->thread && home(line->thread) == home(line->thread - 1))
        line->result = SKIPPED; /* One thread alone sets the limits of a context that all share. */
    else if (IS("heap"))
        line->result = CALL("cuCtxSetLimit", (int, size_t), 2, line->a);
    else if (IS("print"))
        line->result = CALL("cuCtxSetLimit", (int, size_t), 1, line->a);
    else
        line->result = *at->kind ? SKIPPED : take(line, at);
}

static void *work(void *number) {
    int me = (int)(intptr_t)number;
    CALL("cuCtxSetCurrent", (void *), threads[me].own ? threads[me].own : primary[home(me)]);
    for (int i = 0; i < count; i++)
        if (lines[i].thread == me) run(&lines[i]);
    return 0;
}

static void go(void) {
    pthread_t ids[THREADS];
    for (int i = 0; i < count; i++) {
        char text[256];
        if (!fgets(text, sizeof text, stdin)) exit(1);
        struct line *line = &lines[i];
        if (sscanf(text, "%d %15s %d %lu %lu", &line->thread, line->call, &line->place, &line->a, &line->b) != 5)
            exit(2);
    }
    for (long t = 0; t < THREADS; t++) pthread_create(&ids[t], 0, work, (void *)t);
    for (int t = 0; t < THREADS; t++) pthread_join(ids[t], 0);
    for (int i = 0; i < count; i++)
        printf("%d %d %lu %d\n", i, lines[i].result, lines[i].address, lines[i].place);
    puts("done");
}

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
    for (int t = 0; t < THREADS; t++)
        if (threads[t].own && home(t) == device) {
            CALL("cuCtxSetCurrent", (void *), threads[t].own);
            CALL("cuCtxSynchronize", (void));
        }
    CALL("cuCtxSetCurrent", (void *), primary[device]);
    CALL("cuCtxSynchronize", (void));
    CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
    int result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &place, total);
    CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
    if (!CALL("cuDeviceGetDefaultMemPool", (uint64_t *, int), &pool, device)) pools = reserved(pool);
    pools += shared_pool[device].handle ? reserved(shared_pool[device].handle) : 0;
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

/* A child of every kind: two that execute at once, one that lives on and has nothing of ours. */
static void children(void) {
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
        for (;;) pause();
    }
    printf("%d\n", child);
}

static void export_of(int thread, int place) {
    unsigned char handle[64] = {0};
    struct place *at = &threads[thread].places[place];
    int result = SKIPPED;
    if (WAS("linear")) result = CALL("cuIpcGetMemHandle", (void *, uint64_t), handle, at->handle);
    printf("%d %d ", result, at->device);
    for (int i = 0; i < 64; i++) printf("%02x", handle[i]);
    puts("");
}

typedef struct {
    unsigned char bytes[64];
} ipc;

static void import_of(int thread, int place, int device, const char *hex) {
    ipc handle;
    struct place *at = &threads[thread].places[place];
    int result = SKIPPED;
    for (int i = 0; i < 64; i++) sscanf(hex + 2 * i, "%2hhx", &handle.bytes[i]);
    CALL("cuCtxSetCurrent", (void *), primary[device]);
    if (!*at->kind) {
        result = CALL("cuIpcOpenMemHandle_v2", (uint64_t *, ipc, unsigned), &at->handle, handle, 1);
        if (!result) {
            strcpy(at->kind, "import");
            at->context = primary[device];
            at->device = device;
        }
    }
    printf("%d\n", result);
}

int main(void) {
    char text[512], hex[256];
    int one, other, device;
    cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (!cuda) return 9;
    int result = CALL("cuInit", (unsigned), 0);
    printf("ready");
    for (device = 0; device < DEVICES; device++) {
        int begun = result;
        if (!begun) begun = CALL("cuDevicePrimaryCtxRetain", (void **, int), &primary[device], device);
        if (begun) primary[device] = 0;
        if (!begun) begun = CALL("cuCtxSetCurrent", (void *), primary[device]);
        properties on_device = {1, 0, 1, device, {0}};
        if (!begun) CALL("cuMemPoolCreate", (uint64_t *, void *), &shared_pool[device].handle, &on_device);
        printf(" %d", begun);
    }
    puts("");
    fflush(stdout);
    while (fgets(text, sizeof text, stdin)) {
        if (sscanf(text, "go %d", &count) == 1 && count <= LINES)
            go();
        else if (!strncmp(text, "rest", 4))
            for (device = 0; device < DEVICES; device++) rest_of(device);
        else if (sscanf(text, "reset %d", &device) == 1)
            primary_ends("cuDevicePrimaryCtxReset_v2", device);
        else if (sscanf(text, "release %d", &device) == 1)
            primary_ends("cuDevicePrimaryCtxRelease_v2", device);
        else if (!strncmp(text, "children", 8))
            children();
        else if (sscanf(text, "export %d %d", &one, &other) == 2)
            export_of(one, other);
        else if (sscanf(text, "import %d %d %d %255s", &one, &other, &device, hex) == 4)
            import_of(one, other, device, hex);
        else
            break;
        fflush(stdout);
    }
    return 0;
}
