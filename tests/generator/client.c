/*
 * A process that takes and gives back device memory as lines of its standard input say, over several
 * threads, and answers what the driver said. It knows the driver as real programs do: by dlopen.
 *
 *   go N        N lines follow, "thread call place a b"; each thread runs its own in order
 *   rest        looks at every pool, asks for more than there can be, and says what is free
 *   reset, release, children, export, import, quit
 *
 * Every thread has places of its own. What finds no use for its place is skipped, so any sequence
 * means something, also after some lines of it were taken out.
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
#define SKIPPED (-1)
#define MIB (1ul << 20)
#define UNTOUCHED 0x7777

static void *cuda;
#define CALL(name, types, ...) (((int(*) types)dlsym(cuda, name))(__VA_ARGS__))

struct place {
    char kind[12];
    uint64_t handle, bytes, mapped;
    void *context;
};

static struct thread {
    struct place places[PLACES];
    void *own;
} threads[THREADS];
static void *primary;
static struct place shared_pool;

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

static int array(const char *name, uint64_t *at, uint64_t width, uint64_t height, unsigned levels) {
    struct {
        size_t n[3];
        unsigned format, channels, flags;
    } wide = {{width, height, 0}, 32, 1, 0};
    if (levels) return CALL(name, (uint64_t *, void *, unsigned), at, &wide, levels);
    return CALL(name, (uint64_t *, void *), at, &wide);
}

/* Takes into a free place. Arguments are in units of their own, so that no sequence is without sense. */
static int take(struct line *line, struct place *at) {
    properties on_device = {1, 0, 1, 0, {0}};
    uint64_t pitch = UNTOUCHED, handle = UNTOUCHED;
    int result = SKIPPED;
#define IS(name) (!strcmp(line->call, name))
    if (IS("linear")) result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &handle, line->a);
    if (IS("managed"))
        result = CALL("cuMemAllocManaged", (uint64_t *, size_t, unsigned), &handle, line->a, 1);
    if (IS("pitch"))
        result = CALL("cuMemAllocPitch_v2", (uint64_t *, uint64_t *, size_t, size_t, unsigned), &handle,
                      &pitch, line->a, line->b, 4);
    if (IS("array")) result = array("cuArray3DCreate_v2", &handle, line->a, line->b, 0);
    if (IS("mipmap")) result = array("cuMipmappedArrayCreate", &handle, line->a, line->b, 3);
    if (IS("async")) result = CALL("cuMemAllocAsync", (uint64_t *, size_t, void *), &handle, line->a, 0);
    if (IS("lent") && shared_pool.handle)
        result = CALL("cuMemAllocFromPoolAsync", (uint64_t *, size_t, uint64_t, void *), &handle, line->a,
                      shared_pool.handle, 0);
    if (IS("pool")) result = CALL("cuMemPoolCreate", (uint64_t *, void *), &handle, &on_device);
    if (IS("create"))
        result = CALL("cuMemCreate", (uint64_t *, size_t, void *, uint64_t), &handle, line->a, &on_device, 0);
    if (IS("module")) result = CALL("cuModuleLoadData", (uint64_t *, void *), &handle, "image");
    if (result == 0) {
        strcpy(at->kind, line->call);
        at->handle = handle;
        at->bytes = line->a;
        at->mapped = 0;
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
#define WAS(name) (!strcmp(at->kind, name))
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
    if (result == 0 && !at->mapped) memset(at, 0, sizeof *at);
    if (result == 0 && at->mapped) strcpy(at->kind, "mapped");
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
    if (WAS("mapped")) memset(at, 0, sizeof *at);
    return 0;
}

/* A handle found by its address is a second reference; it is let go at once. */
static int retain(struct place *at) {
    uint64_t again = 0;
    if (!at->mapped) return SKIPPED;
    int result = CALL("cuMemRetainAllocationHandle", (uint64_t *, void *), &again, (void *)at->mapped);
    return result ? result : CALL("cuMemRelease", (uint64_t), again);
}

/* Empties the places of what ended with a context; of every context where none is left. */
static void ended(void *context, int none_left) {
    for (int t = 0; t < THREADS; t++)
        for (int p = 0; p < PLACES; p++) {
            struct place *at = &threads[t].places[p];
            int of_pool = WAS("async") || WAS("lent"), of_nobody = WAS("create") || WAS("mapped") || WAS("pool");
            if (of_pool ? none_left : at->context == context && !of_nobody) memset(at, 0, sizeof *at);
        }
}

static int contexts(void) {
    int active = 0;
    unsigned flags;
    CALL("cuDevicePrimaryCtxGetState", (int, unsigned *, int *), 0, &flags, &active);
    for (int t = 0; t < THREADS; t++) active += threads[t].own != 0;
    return active;
}

static int own_context(struct line *line, struct thread *me) {
    if (IS("context")) {
        if (me->own) return SKIPPED;
        int result = CALL("cuCtxCreate_v2", (void **, unsigned, int), &me->own, 0, 0);
        if (result) me->own = 0;
        return result;
    }
    if (!me->own) return SKIPPED;
    void *gone = me->own;
    int result = CALL("cuCtxDestroy_v2", (void *), gone);
    if (!result) {
        me->own = 0;
        ended(gone, 0);
        CALL("cuCtxSetCurrent", (void *), primary);
    }
    return result;
}

static void run(struct line *line) {
    struct thread *me = &threads[line->thread];
    struct place *at = &me->places[line->place];
    line->address = 0;
    if (IS("give"))
        line->result = *at->kind ? give(line, at) : SKIPPED;
    else if (IS("map"))
        line->result = map(at);
    else if (IS("unmap"))
        line->result = unmap(at);
    else if (IS("retain"))
        line->result = retain(at);
    else if (IS("context") || IS("destroy"))
        line->result = own_context(line, me);
    else if (IS("sync"))
        line->result = CALL("cuCtxSynchronize", (void));
    else if (IS("trim"))
        line->result = WAS("pool") ? CALL("cuMemPoolTrimTo", (uint64_t, size_t), at->handle, 0) : SKIPPED;
    else if ((IS("heap") || IS("print")) && !me->own && line->thread)
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
    CALL("cuCtxSetCurrent", (void *), threads[me].own ? threads[me].own : primary);
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
        printf("%d %d %lu\n", i, lines[i].result, lines[i].address);
    puts("done");
}

static uint64_t reserved(uint64_t pool) {
    uint64_t bytes = 0;
    CALL("cuMemPoolGetAttribute", (uint64_t, int, void *), pool, 5, &bytes);
    return bytes;
}

/* What is free and in all, what pools have reserved, and the answer to a request for everything. */
static void rest(void) {
    size_t free = 0, total = 0;
    uint64_t pool = 0, pools = 0, place = UNTOUCHED;
    CALL("cuCtxSynchronize", (void));
    CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
    int result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &place, total);
    CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
    if (!CALL("cuDeviceGetDefaultMemPool", (uint64_t *, int), &pool, 0)) pools = reserved(pool);
    pools += shared_pool.handle ? reserved(shared_pool.handle) : 0;
    for (int t = 0; t < THREADS; t++)
        for (int p = 0; p < PLACES; p++) {
            struct place *at = &threads[t].places[p];
            if (WAS("pool")) pools += reserved(at->handle);
        }
    printf("%lu %lu %lu %d %d\n", free, total, pools, result, place == UNTOUCHED);
}

/* The primary context ends, and begins anew. */
static void primary_ends(const char *name) {
    int result = CALL(name, (int), 0);
    if (!result) ended(primary, contexts() == 0);
    int none = contexts() == 0, again = CALL("cuDevicePrimaryCtxRetain", (void **, int), &primary, 0);
    if (!again) CALL("cuCtxSetCurrent", (void *), primary);
    printf("%d %d %d\n", result, none, again);
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
    printf("%d ", result);
    for (int i = 0; i < 64; i++) printf("%02x", handle[i]);
    puts("");
}

typedef struct {
    unsigned char bytes[64];
} ipc;

static void import_of(int thread, int place, const char *hex) {
    ipc handle;
    struct place *at = &threads[thread].places[place];
    int result = SKIPPED;
    for (int i = 0; i < 64; i++) sscanf(hex + 2 * i, "%2hhx", &handle.bytes[i]);
    CALL("cuCtxSetCurrent", (void *), primary);
    if (!*at->kind) {
        result = CALL("cuIpcOpenMemHandle_v2", (uint64_t *, ipc, unsigned), &at->handle, handle, 1);
        if (!result) {
            strcpy(at->kind, "import");
            at->context = primary;
        }
    }
    printf("%d\n", result);
}

int main(void) {
    char text[512], hex[256];
    int one, other;
    cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (!cuda) return 9;
    int result = CALL("cuInit", (unsigned), 0);
    if (!result) result = CALL("cuDevicePrimaryCtxRetain", (void **, int), &primary, 0);
    if (!result) result = CALL("cuCtxSetCurrent", (void *), primary);
    properties on_device = {1, 0, 1, 0, {0}};
    if (!result) CALL("cuMemPoolCreate", (uint64_t *, void *), &shared_pool.handle, &on_device);
    printf("ready %d\n", result);
    fflush(stdout);
    while (fgets(text, sizeof text, stdin)) {
        if (sscanf(text, "go %d", &count) == 1 && count <= LINES)
            go();
        else if (!strncmp(text, "rest", 4))
            rest();
        else if (!strncmp(text, "reset", 5))
            primary_ends("cuDevicePrimaryCtxReset_v2");
        else if (!strncmp(text, "release", 7))
            primary_ends("cuDevicePrimaryCtxRelease_v2");
        else if (!strncmp(text, "children", 8))
            children();
        else if (sscanf(text, "export %d %d", &one, &other) == 2)
            export_of(one, other);
        else if (sscanf(text, "import %d %d %255s", &one, &other, hex) == 3)
            import_of(one, other, hex);
        else
            break;
        fflush(stdout);
    }
    return 0;
}
