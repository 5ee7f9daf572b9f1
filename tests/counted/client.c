/*
 * A program that takes device memory in every way, for tests of what is counted: it runs the commands
 * that its arguments name and prints one line for each. What a command is given stands behind its
 * name, as in create=0,2 : place 0, 2 MiB. "left" is what cuMemGetInfo calls free, in MiB below the
 * total; "living" is what the stand-in driver says lives. A command after cancel=n runs in a thread
 * that is cancelled in the n-th of its calls of the driver, or behind it where n is above 200.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1ull << 20)
#define UNTOUCHED 7

static void *cuda;
#define CALL(name, types, ...) (((int(*) types)dlsym(cuda, name))(__VA_ARGS__))

static uint64_t place[4096];
/* Handles for other nodes, of 64 bytes at no certain alignment. */
static char fabric[8][65];
static void *context;

typedef struct properties {
    int kind, handles, where, id;
    void *windows;
    unsigned char flags[8];
} properties;

static int create(uint64_t *handle, uint64_t bytes, int where, int id) {
    properties p = {1, 0, where, id};
    return CALL("cuMemCreate", (uint64_t *, size_t, properties *, uint64_t), handle, bytes, &p, 0);
}
static int release(uint64_t handle) { return CALL("cuMemRelease", (uint64_t), handle); }
static int map(uint64_t at, uint64_t bytes, uint64_t handle) {
    return CALL("cuMemMap", (uint64_t, size_t, size_t, uint64_t, uint64_t), at, bytes, 0, handle, 0);
}
static int unmap(uint64_t at, uint64_t bytes) {
    return CALL("cuMemUnmap", (uint64_t, size_t), at, bytes);
}

/* Streams of both kinds: in names that end so, no stream means the thread's own. */
static int lend(uint64_t *at, uint64_t bytes, const char *variant) {
    char name[64] = "cuMemAllocAsync";
    strcat(name, variant);
    return CALL(name, (uint64_t *, size_t, void *), at, bytes, 0);
}
static int lend_of(uint64_t *at, uint64_t bytes, uint64_t pool, const char *variant) {
    char name[64] = "cuMemAllocFromPoolAsync";
    strcat(name, variant);
    return CALL(name, (uint64_t *, size_t, void *, void *), at, bytes, (void *)pool, 0);
}
static int give(uint64_t at, const char *variant) {
    char name[64] = "cuMemFreeAsync";
    strcat(name, variant);
    return CALL(name, (uint64_t, void *), at, 0);
}
static int pool(uint64_t *pool, int kind, int where, int device) {
    struct {
        int kind, handles, where, id;
        unsigned char rest[72];
    } p = {kind, 0, where, device};
    return CALL("cuMemPoolCreate", (uint64_t *, void *), pool, &p);
}

static void *churn_pool(void *unused) {
    CALL("cuCtxSetCurrent", (void *), context);
    for (int i = 0; i < 2000; i++) {
        uint64_t at, more;
        int got = lend(&at, (1 + i % 40) * MIB, ""), also = lend(&more, MIB, "_ptsz");
        if (!got) give(at, "");
        if (!also) give(more, "");
        if (i % 64 == 0) CALL("cuMemPoolTrimTo", (uint64_t, size_t), 0x2000, 0);
    }
    return 0;
}

/* An array of floats; its form is the function's name, its size width, rows and slices or layers. */
static int array(const char *name, uint64_t *at, uint64_t n[3], unsigned channels, unsigned flags,
                 unsigned levels) {
    struct {
        size_t n[3];
        unsigned format, channels, flags;
    } wide = {{n[0], n[1], n[2]}, 32, channels, flags};
    struct {
        size_t n[2];
        unsigned format, channels;
    } flat = {{n[0], n[1]}, 32, channels};
    struct {
        unsigned n[3], format, channels, flags;
    } wide_v1 = {{(unsigned)n[0], (unsigned)n[1], (unsigned)n[2]}, 32, channels, flags};
    struct {
        unsigned n[2], format, channels;
    } flat_v1 = {{(unsigned)n[0], (unsigned)n[1]}, 32, channels};
    int v2 = strstr(name, "_v2") != 0, is_flat = strncmp(name, "cuArray3D", 9) != 0;
    if (!strncmp(name, "cuMip", 5))
        return CALL(name, (uint64_t *, void *, unsigned), at, &wide, levels);
    void *descriptor = is_flat ? v2 ? (void *)&flat : (void *)&flat_v1
                               : v2 ? (void *)&wide : (void *)&wide_v1;
    return CALL(name, (uint64_t *, void *), at, descriptor);
}

/* tile=array,memory,x,y,width,height in tiles of floats, the memory from its beginning on; untile the
 * same. In names with mip the array is mipmapped, with tail the place is bytes x of y in its tail; in
 * names that end in ptsz, no stream means the thread's own. */
static int tile(const char *command, const char *text) {
    uint64_t n[6] = {0};
    sscanf(text, "%*[^=]=%lu,%lu,%lu,%lu,%lu,%lu", &n[0], &n[1], &n[2], &n[3], &n[4], &n[5]);
    int is_tail = strstr(command, "tail") != 0, is_map = strncmp(command, "un", 2) != 0;
    struct {
        int resource_kind;
        uint64_t resource;
        int part;
        union {
            struct {
                unsigned level, layer, x, y, z, width, height, depth;
            } level;
            struct {
                unsigned layer;
                unsigned long long offset, size;
            } tail;
        } at;
        int operation, handle_kind;
        uint64_t handle;
        unsigned long long offset;
        unsigned devices, flags, reserved[2];
    } info = {strstr(command, "mip") != 0, place[n[0]], is_tail};
    if (is_tail) {
        info.at.tail.offset = n[2];
        info.at.tail.size = n[3];
    } else {
        info.at.level.x = 128 * (unsigned)n[2], info.at.level.y = 128 * (unsigned)n[3];
        info.at.level.width = 128 * (unsigned)n[4], info.at.level.height = 128 * (unsigned)n[5];
        info.at.level.depth = 1;
    }
    info.operation = is_map ? 1 : 2;
    info.handle = is_map ? place[n[1]] : 0;
    info.devices = 1;
    const char *name = strstr(command, "ptsz") ? "cuMemMapArrayAsync_ptsz" : "cuMemMapArrayAsync";
    return CALL(name, (void *, unsigned, void *), &info, 1, 0);
}

/* Code of a file of so many bytes. */
static int load(uint64_t *code, uint64_t bytes, int is_library) {
    char path[] = "/tmp/aliquot-code-XXXXXX";
    int file = mkstemp(path);
    if (file < 0 || ftruncate(file, (off_t)bytes)) exit(8);
    close(file);
    int result = is_library ? CALL("cuLibraryLoadFromFile",
                                   (uint64_t *, char *, void *, void *, unsigned, void *, void *, unsigned), code,
                                   path, 0, 0, 0, 0, 0, 0)
                            : CALL("cuModuleLoad", (uint64_t *, char *), code, path);
    unlink(path);
    return result;
}
/* What names something of code. */
static int of_code(const char *name, uint64_t *out, uint64_t code) {
    size_t bytes = 0;
    if (strstr(name, "Global") || strstr(name, "Managed"))
        return CALL(name, (uint64_t *, size_t *, uint64_t, const char *), out, &bytes, code, "name");
    if (strstr(name, "Enumerate")) return CALL(name, (uint64_t *, unsigned, uint64_t), out, 1, code);
    if (strstr(name, "Load") || strstr(name, "Unload")) return CALL(name, (uint64_t), code);
    return CALL(name, (uint64_t *, uint64_t, const char *), out, code, "name");
}

static volatile int is_blocked;
static void blocks(void *unused) {
    while (is_blocked) usleep(100);
}

static uint64_t in_use(void) {
    size_t free = 0, total = 0;
    CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
    return total - free;
}

/* Takes and gives back, over and over, beside other threads that do the same. */
static void *churn(void *number) {
    uint64_t base = 0x10000000000 + ((uint64_t)number << 32);
    CALL("cuCtxSetCurrent", (void *), context);
    for (int i = 0; i < 2000; i++) {
        uint64_t handle, again;
        if (create(&handle, 2 * MIB, 1, 0)) continue;
        map(base, 2 * MIB, handle);
        release(handle);
        CALL("cuMemRetainAllocationHandle", (uint64_t *, void *), &again, (void *)base);
        unmap(base, 2 * MIB);
        release(again);
    }
    return 0;
}

static void *slow_limit(void *mib) {
    CALL("cuCtxSetCurrent", (void *), context);
    CALL("cuCtxSetLimit", (int, size_t), 2, (size_t)mib * MIB);
    return 0;
}

/* One thread sets the heap, and another does while the first is on its way back from the driver. */
static int race(uint64_t first_mib, uint64_t second_mib, int first_result) {
    void (*slow)(size_t, int) = (void (*)(size_t, int))dlsym(cuda, "standin_slow");
    int (*is_held)(void) = (int (*)(void))dlsym(cuda, "standin_is_held");
    pthread_t thread;
    slow(first_mib * MIB, first_result);
    pthread_create(&thread, 0, slow_limit, (void *)first_mib);
    while (!is_held()) sched_yield();
    int result = CALL("cuCtxSetLimit", (int, size_t), 2, second_mib * MIB);
    slow(0, first_result);
    pthread_join(thread, 0);
    return result;
}

/* A thread that comes back from its call of the driver later than another one goes there. */
static pthread_t slow_thread;
static void slow_begin(uint64_t bytes, void *(*call)(void *), void *of) {
    CALL("standin_slow", (size_t, int), bytes, 0);
    pthread_create(&slow_thread, 0, call, of);
    while (!CALL("standin_is_held", (void))) sched_yield();
}
static int slow_end(void) {
    void *result;
    CALL("standin_slow", (size_t, int), 0, 0);
    pthread_join(slow_thread, &result);
    return (int)(intptr_t)result;
}
static void *slow_unmap(void *bytes) { return (void *)(intptr_t)unmap(0x10000000, (size_t)bytes); }
static void *slow_create(void *made) {
    return (void *)(intptr_t)CALL("cuCtxCreate_v2", (void *, unsigned, int), made, 0, 0);
}
static void *slow_release(void *none) {
    (void)none;
    return (void *)(intptr_t)CALL("cuDevicePrimaryCtxRelease_v2", (int), 0);
}
static void *slow_reset(void *none) {
    (void)none;
    return (void *)(intptr_t)CALL("cuDevicePrimaryCtxReset_v2", (int), 0);
}
static void *slow_retain(void *made) {
    return (void *)(intptr_t)CALL("cuDevicePrimaryCtxRetain", (void *, int), made, 0);
}

/* Contexts begin and end, with what was allocated in them, often as the only ones there are. */
static void *churn_contexts(void *wrong) {
    for (int i = 0; i < 500; i++) {
        void *made;
        uint64_t at;
        if (CALL("cuCtxCreate_v2", (void **, unsigned, int), &made, 0, 0)) continue;
        CALL("cuMemAlloc_v2", (uint64_t *, size_t), &at, 2 * MIB);
        if (in_use() < 257 * MIB) __atomic_add_fetch((int *)wrong, 1, __ATOMIC_SEQ_CST);
        CALL("cuCtxDestroy_v2", (void *), made);
    }
    return 0;
}

/* How much this process has mapped, in MiB. */
static uint64_t mapped(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu", &pages) != 1) exit(8);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE) / MIB;
}

static void run(char *text) {
    char command[32] = {0};
    uint64_t a = 0, b = 0, c = 0;
    int result = 0;
    sscanf(text, "%31[^=]=%lu,%lu,%lu", command, &a, &b, &c);
    errno = 77;
#define IS(name) (!strcmp(command, name))
    if (IS("start")) {
        result = CALL("cuInit", (unsigned), 0);
        if (!result) result = CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, 0);
        if (!result) result = CALL("cuCtxSetCurrent", (void *), context);
    } else if (IS("stop"))
        result = CALL("cuDevicePrimaryCtxRelease_v2", (int), 0);
    else if (IS("create") || IS("create-bytes") || IS("create-host") || IS("create-there")) {
        place[a] = UNTOUCHED;
        result = create(&place[a], IS("create-bytes") ? b : b * MIB, IS("create-host") ? 2 : 1,
                        IS("create-there") ? 1 : 0);
        if (result && place[a] != UNTOUCHED) printf("%s wrote\n", text);
    } else if (IS("create-nulls")) {
        properties p = {1, 0, 1, 0};
        result = CALL("cuMemCreate", (uint64_t *, size_t, properties *, uint64_t), 0, 2 * MIB, &p, 0);
        result = result * 10 + CALL("cuMemCreate", (uint64_t *, size_t, properties *, uint64_t),
                                    &place[a], 2 * MIB, 0, 0);
    } else if (IS("release"))
        result = release(place[a]);
    else if (IS("release-at"))
        result = release(a);
    else if (IS("map"))
        result = map(0x10000000 + b * MIB, c * MIB, place[a]);
    else if (IS("unmap"))
        result = unmap(0x10000000 + a * MIB, b * MIB);
    /* bind=memory,start,size: all six ways, one for each 1000 of the start. */
    else if (IS("bind")) {
        uint64_t start = b % 1000 * MIB, at = 0x10000000 + a * MIB;
        if (b / 1000 == 0)
            result = CALL("cuMulticastBindMem", (uint64_t, size_t, uint64_t, size_t, size_t, uint64_t),
                          0x900, start, place[a], 0, c * MIB, 0);
        else if (b / 1000 == 1)
            result = CALL("cuMulticastBindMem_v2",
                          (uint64_t, int, size_t, uint64_t, size_t, size_t, uint64_t), 0x900, 0, start,
                          place[a], 0, c * MIB, 0);
        else if (b / 1000 == 2)
            result = CALL("cuMulticastBindAddr", (uint64_t, size_t, uint64_t, size_t, uint64_t), 0x900,
                          start, at, c * MIB, 0);
        else if (b / 1000 == 4)
            result = CALL("cuLogicalEndpointBindMem",
                          (unsigned, int, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t), 0x901, 0,
                          start, place[a], 0, c * MIB, 0);
        else if (b / 1000 == 5)
            result = CALL("cuLogicalEndpointBindAddr",
                          (unsigned, int, uint64_t, void *, uint64_t, uint64_t), 0x901, 0, start,
                          (void *)at, c * MIB, 0);
        else
            result = CALL("cuMulticastBindAddr_v2", (uint64_t, int, size_t, uint64_t, size_t, uint64_t),
                          0x900, 0, start, at, c * MIB, 0);
    } else if (IS("unbind"))
        result = CALL("cuMulticastUnbind", (uint64_t, int, size_t, size_t), 0x900, 0, a * MIB, b * MIB);
    else if (IS("unbind-endpoint"))
        result = CALL("cuLogicalEndpointUnbind", (unsigned, int, uint64_t, uint64_t), 0x901, 0, a * MIB,
                      b * MIB);
    else if (IS("end-endpoint"))
        result = CALL("cuLogicalEndpointDestroy", (unsigned), 0x901);
    else if (IS("reserve")) {
        /* The addresses that `map` names, for a driver that looks at them. */
        uint64_t at = 0, wish = 0x10000000;
        result = CALL("cuMemAddressReserve", (uint64_t *, size_t, size_t, uint64_t, uint64_t), &at, a * MIB, 0,
                      wish, 0);
        if (at != wish) result = 999;
    } else if (IS("create-tiles")) {
        properties p = {1, 0, 1, 0, 0, {0, 0, 1}};
        result = CALL("cuMemCreate", (uint64_t *, size_t, properties *, uint64_t), &place[a], b * MIB, &p, 0);
    } else if (IS("create-shared")) {
        properties p = {1, 1, 1, 0, 0, {0}};
        result = CALL("cuMemCreate", (uint64_t *, size_t, properties *, uint64_t), &place[a], b * MIB, &p, 0);
    } else if (IS("export")) {
        int descriptor = -1;
        result = CALL("cuMemExportToShareableHandle", (int *, uint64_t, int, uint64_t), &descriptor, place[a], 1, 0);
        place[b] = (uint64_t)descriptor;
    } else if (IS("range") || IS("range-at")) {
        /* range=place,descriptor,size: a dma-buf of what lies at a place, or is mapped at MiB so many. */
        uint64_t start = IS("range") ? place[a] : 0x10000000 + a * MIB;
        int descriptor = -1;
        result = CALL("cuMemGetHandleForAddressRange", (int *, uint64_t, size_t, int, uint64_t), &descriptor,
                      start, c * MIB, 1, 0);
        place[b] = (uint64_t)descriptor;
    } else if (IS("close"))
        result = close((int)place[a]);
    else if (IS("open"))
        place[a] = (uint64_t)open("/dev/null", O_RDWR);
    else if (IS("open-sent")) {
        /* As a process sends it that has the shim as well, and is our parent. */
        place[a] = (uint64_t)open("/dev/null", O_RDWR);
        result = fcntl((int)place[a], F_SETSIG, 64) | fcntl((int)place[a], F_SETOWN, getppid());
    } else if (IS("export-many")) {
        CALL("standin_fickle", (int), 1);
        for (uint64_t i = 0; i < b && !result; i++)
            result = CALL("cuMemExportToShareableHandle", (void *, uint64_t, int, uint64_t), fabric[0], place[a], 8, 0);
    } else if (IS("start-there")) {
        result = CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, 1);
        CALL("cuCtxSetCurrent", (void *), context);
    } else if (IS("unbind-there"))
        result = CALL("cuMulticastUnbind", (uint64_t, int, size_t, size_t), 0x900, 1, a * MIB, b * MIB);
    else if (IS("import-fd"))
        result = CALL("cuMemImportFromShareableHandle", (uint64_t *, uint64_t, int), &place[a], place[b], 1);
    else if (IS("export-fabric"))
        result = CALL("cuMemExportToShareableHandle", (void *, uint64_t, int, uint64_t), fabric[b], place[a], 8, 0);
    else if (IS("import-fabric"))
        result = CALL("cuMemImportFromShareableHandle", (uint64_t *, void *, int), &place[a], fabric[b], 8);
    else if (IS("module") || IS("library"))
        result = load(&place[a], b * MIB, IS("library"));
    else if (!strncmp(command, "of-", 3))
        result = of_code(command + 3, &place[a], place[b]);
    else if (strstr(command, "tile") == command || strstr(command, "untile") == command)
        result = tile(command, text);
    else if (IS("block")) {
        is_blocked = 1;
        result = CALL("cuLaunchHostFunc", (void *, void (*)(void *), void *), 0, blocks, 0);
    } else if (IS("unblock"))
        is_blocked = 0;
    else if (IS("sync"))
        result = CALL("cuCtxSynchronize", (void));
    else if (IS("multicast")) {
        struct {
            unsigned devices;
            size_t size;
            uint64_t handles, flags;
        } p = {1, b * MIB, c, 0};
        result = CALL("cuMulticastCreate", (uint64_t *, void *), &place[a], &p);
        if (!result) result = CALL("cuMulticastAddDevice", (uint64_t, int), place[a], 0);
    } else if (IS("team-bind"))
        result = CALL("cuMulticastBindMem", (uint64_t, size_t, uint64_t, size_t, size_t, uint64_t), place[a],
                      0, place[b], 0, c * MIB, 0);
    else if (IS("team-bind-at"))
        result = CALL("cuMulticastBindAddr", (uint64_t, size_t, uint64_t, size_t, uint64_t), place[a], 0,
                      0x10000000 + b * MIB, c * MIB, 0);
    else if (IS("team-unbind"))
        result = CALL("cuMulticastUnbind", (uint64_t, int, size_t, size_t), place[a], 0, 0, b * MIB);
    else if (IS("unmap-late")) {
        /* unmap-late=memory,size: as that comes back, another memory is mapped at the same place. */
        slow_begin(b * MIB, slow_unmap, (void *)(b * MIB));
        result = map(0x10000000, b * MIB, place[a]);
        result = result * 10 + slow_end();
    } else if (IS("context-late")) {
        /* As a context begins, the only other one ends. */
        void *first = 0;
        CALL("cuCtxCreate_v2", (void **, unsigned, int), &first, 0, 0);
        slow_begin(1, slow_create, &context);
        result = CALL("cuCtxDestroy_v2", (void *), first);
        result = result * 10 + slow_end();
        CALL("cuCtxSetCurrent", (void *), context);
    } else if (IS("primary-late")) {
        /* As it begins, another thread asks for it too. */
        void *again;
        slow_begin(1, slow_retain, &context);
        result = CALL("cuDevicePrimaryCtxRetain", (void **, int), &again, 0);
        result = result * 10 + slow_end();
        CALL("cuCtxSetCurrent", (void *), context);
    } else if (IS("primary-again")) {
        /* It has ended, as the shim was told, and is there again before the shim has heard. */
        slow_begin(2, slow_release, 0);
        result = CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, 0);
        CALL("cuCtxSetCurrent", (void *), context);
        if (!result) result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &place[0], 10 * MIB);
        result = result * 10 + slow_end();
    } else if (IS("reset-late")) {
        /* While one resets the primary context, another thread gives the last reference back. */
        slow_begin(3, slow_reset, 0);
        result = CALL("cuDevicePrimaryCtxRelease_v2", (int), 0);
        result = result * 10 + slow_end();
    } else if (IS("context-threads")) {
        pthread_t threads[16];
        for (uint64_t i = 0; i < a; i++) pthread_create(&threads[i], 0, churn_contexts, &result);
        for (uint64_t i = 0; i < a; i++) pthread_join(threads[i], 0);
    } else if (IS("mapped")) {
        printf("%s %lu\n", text, mapped());
        return;
    } else if (IS("faults")) {
        struct rusage of;
        getrusage(RUSAGE_SELF, &of);
        printf("%s %ld\n", text, of.ru_minflt);
        return;
    } else if (IS("retain-of")) {
        /* By the address of plain memory. */
        result = CALL("cuMemRetainAllocationHandle", (uint64_t *, uint64_t), &place[a], place[b]);
    } else if (IS("pools")) {
        for (uint64_t i = 0; i < a && !result; i++) result = pool(&place[1000 + i], 1, 1, 0);
    } else if (IS("retain"))
        result = CALL("cuMemRetainAllocationHandle", (uint64_t *, void *), &place[a],
                      (void *)(0x10000000 + b * MIB));
    else if (IS("used")) {
        printf("%s %.3f\n", text, in_use() / (double)MIB);
        fflush(stdout);
        return;
    } else if (IS("living")) {
        printf("%s %llu\n", text, ((unsigned long long (*)(void))dlsym(cuda, "standin_living"))() / MIB);
        fflush(stdout);
        return;
    } else if (IS("threads")) {
        pthread_t threads[16];
        for (uint64_t i = 0; i < a; i++) pthread_create(&threads[i], 0, churn, (void *)i);
        for (uint64_t i = 0; i < a; i++) pthread_join(threads[i], 0);
    } else if (IS("pool-threads")) {
        pthread_t threads[16];
        for (uint64_t i = 0; i < a; i++) pthread_create(&threads[i], 0, churn_pool, 0);
        for (uint64_t i = 0; i < a; i++) pthread_join(threads[i], 0);
    } else if (IS("lend") || IS("lend-ptsz") || IS("lend-of") || IS("lend-of-ptsz")) {
        const char *variant = strstr(command, "ptsz") ? "_ptsz" : "";
        place[a] = UNTOUCHED;
        result = strstr(command, "of") ? lend_of(&place[a], b * MIB, place[c], variant)
                                       : lend(&place[a], b * MIB, variant);
        if (result && place[a] != UNTOUCHED) printf("%s wrote\n", text);
    } else if (IS("lend-nulls"))
        result = lend(0, MIB, "") * 10 + lend(&place[a], 0, "");
    else if (IS("give") || IS("give-ptsz"))
        result = give(place[a], IS("give") ? "" : "_ptsz");
    else if (IS("pool"))
        result = pool(&place[a], 1, 1, (int)b);
    else if (IS("current") || IS("no-current"))
        result = CALL("cuCtxSetCurrent", (void *), IS("current") ? context : 0);
    else if (IS("managed"))
        result = CALL("cuMemAllocManaged", (uint64_t *, size_t, unsigned), &place[a], b * MIB, 1);
    else if (IS("pitch")) {
        size_t pitch;
        result = CALL("cuMemAllocPitch_v2", (uint64_t *, size_t *, size_t, size_t, unsigned), &place[a], &pitch,
                      4096, b * MIB / 4096, 4);
    } else if (!strncmp(command, "cuVDPAU", 7))
        result = CALL(command, (uint64_t *, unsigned, int, unsigned, void *), &place[a], 0, 0, 1, 0);
    else if (IS("context"))
        result = CALL("cuCtxCreate_v2", (uint64_t *, unsigned, int), &place[a], 0, 0);
    else if (IS("primary"))
        result = CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, 0);
    else if (IS("reset"))
        result = CALL("cuDevicePrimaryCtxReset_v2", (int), 0);
    else if (IS("racing"))
        CALL("standin_race", (int), (int)a);
    else if (IS("raced"))
        result = CALL("standin_raced", (void));
    else if (IS("capture"))
        CALL("standin_capture", (int), (int)a);
    else if (IS("broken"))
        result = CALL("standin_broken", (void));
    else if (IS("mode")) {
        int mode = (int)a;
        CALL("cuThreadExchangeStreamCaptureMode", (int *), &mode);
        result = mode;
    } else if (IS("mute"))
        CALL("standin_mute", (int), (int)a);
    else if (IS("green"))
        result = CALL("cuGreenCtxCreate", (uint64_t *, void *, int, unsigned), &place[a], 0, 0, 1);
    else if (IS("green-end"))
        result = CALL("cuGreenCtxDestroy", (uint64_t), place[a]);
    else if (IS("context-end"))
        result = CALL("cuCtxDestroy_v2", (uint64_t), place[a]);
    else if (IS("pool-managed"))
        result = pool(&place[a], 2, 0, 0);
    else if (IS("pool-of-host"))
        result = pool(&place[a], 1, 2, 0);
    else if (IS("set-pool"))
        result = CALL("cuDeviceSetMemPool", (int, uint64_t), 0, place[a]);
    else if (IS("set-pool-of")) {
        int here[2] = {1, 0};
        result = CALL("cuMemSetMemPool", (void *, int, uint64_t), here, 1, place[a]);
    } else if (IS("get-pool-of")) {
        int here[2] = {(int)c, 0};
        result = CALL("cuMemGetMemPool", (uint64_t *, void *, int), &place[a], here, (int)b);
    } else if (IS("default-pool-of")) {
        int here[2] = {(int)c, 0};
        result = CALL("cuMemGetDefaultMemPool", (uint64_t *, void *, int), &place[a], here, (int)b);
    }
    else if (IS("default-pool"))
        result = CALL("cuDeviceGetDefaultMemPool", (uint64_t *, int), &place[a], 0);
    else if (IS("pool-end"))
        result = CALL("cuMemPoolDestroy", (uint64_t), place[a]);
    else if (IS("trim"))
        result = CALL("cuMemPoolTrimTo", (uint64_t, size_t), place[a], b * MIB);
    else if (IS("alloc")) {
        place[a] = UNTOUCHED;
        result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &place[a], b * MIB);
        if (result && place[a] != UNTOUCHED) printf("%s wrote\n", text);
    } else if (!strncmp(command, "cuArray", 7) || !strncmp(command, "cuMip", 5)) {
        /* cuArrayCreate=0,width,rows,slices,channels,flags,levels */
        uint64_t n[3] = {0}, channels = 1, flags = 0, levels = 1;
        sscanf(text, "%*[^=]=%*u,%lu,%lu,%lu,%lu,%lu,%lu", &n[0], &n[1], &n[2], &channels, &flags,
               &levels);
        if (strstr(command, "Destroy"))
            result = CALL(command, (uint64_t), place[a]);
        else {
            place[a] = UNTOUCHED;
            result = array(command, &place[a], n, channels, flags, levels);
            if (result && place[a] != UNTOUCHED) printf("%s wrote\n", text);
        }
    } else if (IS("array-nulls")) {
        result = CALL("cuArray3DCreate_v2", (void *, void *), 0, 0) * 10 +
                 CALL("cuMipmappedArrayCreate", (void *, void *, unsigned), &place[a], 0, 1);
    } else if (IS("import")) {
        struct {
            int kind;
            void *handle[2];
            unsigned long long size;
            unsigned flags, rest[16];
        } d = {1, {0, 0}, b * MIB};
        /* The driver takes it over. */
        *(int *)d.handle = dup(2);
        place[a] = UNTOUCHED;
        result = CALL("cuImportExternalMemory", (uint64_t *, void *), &place[a], &d);
        if (result && place[a] != UNTOUCHED) printf("%s wrote\n", text);
    } else if (IS("import-nulls")) {
        uint64_t d[16] = {1, 0, 0, MIB};
        result = CALL("cuImportExternalMemory", (void *, void *), 0, d) * 10 +
                 CALL("cuImportExternalMemory", (void *, void *), &place[a], 0);
    } else if (IS("import-end")) {
        result = CALL("cuDestroyExternalMemory", (uint64_t), place[a]);
    } else if (IS("buffer-of") || IS("mipmap-of")) {
        /* A buffer of 1 MiB, or floats of 256 by 256 in two levels. */
        uint64_t buffer[16] = {0, MIB}, mipmap[16] = {0, 256, 256, 0, 1ul << 32 | 0x20, 0, 2};
        uint64_t *d = IS("buffer-of") ? buffer : mipmap;
        const char *name = IS("buffer-of") ? "cuExternalMemoryGetMappedBuffer"
                                           : "cuExternalMemoryGetMappedMipmappedArray";
        result = CALL(name, (uint64_t *, uint64_t, void *), c ? 0 : &place[a], place[b], d);
    } else if (IS("free")) {
        result = CALL("cuMemFree_v2", (uint64_t), place[a]);
    } else if (IS("limit")) {
        result = CALL("cuCtxSetLimit", (int, size_t), (int)a, b * MIB);
    } else if (IS("race")) {
        result = race(a, b, (int)c);
    } else if (IS("fork")) {
        int status;
        pid_t child = fork();
        if (!child) {
            result = release(place[a]);
            _exit(0);
        }
        waitpid(child, &status, 0);
        result = status;
    } else if (IS("die")) {
        raise(SIGKILL);
    } else if (IS("wait")) {
        puts("waiting");
        fflush(stdout);
        char unused;
        if (read(0, &unused, 1) < 0) exit(8);
        return;
    } else {
        printf("unknown command %s\n", text);
        exit(9);
    }
    printf("%s %d%s\n", text, result, errno == 77 || IS("fork") ? "" : " errno-changed");
    fflush(stdout);
}

/* The driver's call, of those that the next command makes, in which its thread is cancelled. */
static int cancel_at;
static int is_done;
static void *in_a_thread(void *text) {
    CALL("cuCtxSetCurrent", (void *), context);
    CALL("standin_arm", (int), cancel_at);
    run(text);
    CALL("standin_arm", (int), 0);
    __atomic_store_n(&is_done, 1, __ATOMIC_SEQ_CST);
    return 0;
}
static void run_cancelled(char *text) {
    pthread_t thread;
    void *result = 0;
    is_done = 0;
    int before = CALL("standin_waiting", (void));
    pthread_create(&thread, 0, in_a_thread, text);
    while (!__atomic_load_n(&is_done, __ATOMIC_SEQ_CST) && CALL("standin_waiting", (void)) == before)
        usleep(100);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    if (result == PTHREAD_CANCELED) puts("cancelled");
    fflush(stdout);
    cancel_at = 0;
}

int main(int count, char **arguments) {
    cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (!cuda) {
        printf("no driver: %s\n", dlerror());
        return 9;
    }
    for (int i = 1; i < count; i++) {
        if (sscanf(arguments[i], "cancel=%d", &cancel_at) == 1) continue;
        if (cancel_at) run_cancelled(arguments[i]);
        else run(arguments[i]);
    }
    puts("end");
    return 0;
}
