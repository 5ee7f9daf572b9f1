/*
 * A program that fills its card, or so many MiB of it, and then asks for more in every way, for a test of what a refused call leaves
 * behind: it prints for each call the driver's answer and whether its out-parameters are the "same", "null" or
 * "set" now, also where a call is wrong besides.
 */
#define _GNU_SOURCE
#include "client/driver.h"
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define MIB (1ull << 20)
#define MUCH (64 * MIB)
#define BEFORE 0x7777777777777777ull

static uint64_t out[2];
static const char *now(uint64_t value) { return value == BEFORE ? "same" : value ? "set" : "null"; }
static void said(const char *name, int result) {
    void *current = 0;
    CALL("cuCtxGetCurrent", (void **), &current);
    printf("%s %d %s %s%s\n", name, result, now(out[0]), now(out[1]), current ? "" : " no-context");
}
/* A call with fresh out-parameters, if the driver has it. */
#define TRY(label, name, types, ...)                                                                     \
    do {                                                                                                 \
        out[0] = out[1] = BEFORE;                                                                        \
        if (dlsym(cuda, name)) said(label, CALL(name, types, __VA_ARGS__));                              \
    } while (0)

static void fill(uint64_t most) {
    uint64_t at;
    for (uint64_t bytes = 1 << 30; bytes; bytes /= 2)
        while (bytes <= most && !CALL("cuMemAlloc_v2", (uint64_t *, size_t), &at, bytes)) most -= bytes;
}

static void linear(void) {
    for (int wrong = 0; wrong < 2; wrong++) {
        uint64_t *to = wrong ? 0 : out, *second = out + 1;
        TRY("cuMemAlloc_v2", "cuMemAlloc_v2", (uint64_t *, size_t), to, MUCH);
        TRY("cuMemAllocPitch_v2", "cuMemAllocPitch_v2", (uint64_t *, size_t *, size_t, size_t, unsigned), to,
            second, 4096, MUCH / 4096, 4);
        TRY("cuMemAllocManaged", "cuMemAllocManaged", (uint64_t *, size_t, unsigned), to, MUCH, 1);
        TRY("cuMemAllocAsync", "cuMemAllocAsync", (uint64_t *, size_t, void *), to, MUCH, 0);
        TRY("cuMemAllocAsync_ptsz", "cuMemAllocAsync_ptsz", (uint64_t *, size_t, void *), to, MUCH, 0);
        void *pool = 0;
        CALL("cuDeviceGetDefaultMemPool", (void **, int), &pool, 0);
        TRY("cuMemAllocFromPoolAsync", "cuMemAllocFromPoolAsync", (uint64_t *, size_t, void *, void *), to, MUCH,
            pool, 0);
        TRY("cuMemAllocFromPoolAsync_ptsz", "cuMemAllocFromPoolAsync_ptsz",
            (uint64_t *, size_t, void *, void *), to, MUCH, pool, 0);
    }
    TRY("nothing", "cuMemAlloc_v2", (uint64_t *, size_t), out, 0);
    TRY("odd-flags", "cuMemAllocManaged", (uint64_t *, size_t, unsigned), out, MUCH, 9);
    TRY("no-pitch", "cuMemAllocPitch_v2", (uint64_t *, size_t *, size_t, size_t, unsigned), out, 0, 4096, 65536, 4);
    TRY("odd-element", "cuMemAllocPitch_v2", (uint64_t *, size_t *, size_t, size_t, unsigned), out, out + 1, 4096,
        65536, 3);
    TRY("nothing-async", "cuMemAllocAsync", (uint64_t *, size_t, void *), out, 0, 0);
    TRY("no-pool", "cuMemAllocFromPoolAsync", (uint64_t *, size_t, void *, void *), out, MUCH, 0, 0);
}

typedef struct properties {
    int kind, handles, where, id;
    void *windows;
    unsigned char flags[8];
} properties;
static void apart(void) {
    properties good = {1, 0, 1, 0}, nowhere = {1, 0, 1, 77}, odd = {9, 0, 1, 0};
#define CREATE(label, to, bytes, of)                                                                     \
    TRY(label, "cuMemCreate", (uint64_t *, size_t, properties *, uint64_t), to, bytes, of, 0)
    CREATE("cuMemCreate", out, MUCH, &good);
    CREATE("create-null", 0, MUCH, &good);
    CREATE("create-no-properties", out, MUCH, 0);
    CREATE("create-odd-size", out, MUCH + 1, &good);
    CREATE("create-nothing", out, 0, &good);
    CREATE("create-nowhere", out, MUCH, &nowhere);
    CREATE("create-odd-kind", out, MUCH, &odd);
    struct {
        int kind, padding, descriptor, rest[3];
        unsigned long long size;
        unsigned flags, reserved[16];
    } import = {1, 0, memfd_create("import", 0), {0}, MUCH};
    TRY("cuImportExternalMemory", "cuImportExternalMemory", (uint64_t *, void *), out, &import);
    TRY("import-null", "cuImportExternalMemory", (uint64_t *, void *), 0, &import);
    import.kind = 99;
    TRY("import-odd", "cuImportExternalMemory", (uint64_t *, void *), out, &import);
}

static void arrays(void) {
    struct {
        size_t n[3];
        unsigned format, channels, flags;
    } wide = {{4096, 4096, 0}, 32, 4}, odd = {{4096, 4096, 0}, 77, 4};
    struct {
        size_t n[2];
        unsigned format, channels;
    } flat = {{4096, 4096}, 32, 4};
    struct {
        unsigned n[3], format, channels, flags;
    } wide_v1 = {{4096, 4096, 0}, 32, 4};
    struct {
        unsigned n[2], format, channels;
    } flat_v1 = {{4096, 4096}, 32, 4};
#define ARRAY(label, name, to, of) TRY(label, name, (uint64_t *, void *), to, of)
    ARRAY("cuArrayCreate", "cuArrayCreate", out, &flat_v1);
    ARRAY("cuArrayCreate_v2", "cuArrayCreate_v2", out, &flat);
    ARRAY("cuArray3DCreate", "cuArray3DCreate", out, &wide_v1);
    ARRAY("cuArray3DCreate_v2", "cuArray3DCreate_v2", out, &wide);
    ARRAY("array-null", "cuArray3DCreate_v2", 0, &wide);
    ARRAY("array-of-nothing", "cuArray3DCreate_v2", out, 0);
    ARRAY("array-odd", "cuArray3DCreate_v2", out, &odd);
    TRY("cuMipmappedArrayCreate", "cuMipmappedArrayCreate", (uint64_t *, void *, unsigned), out, &wide, 3);
    TRY("mipmap-null", "cuMipmappedArrayCreate", (uint64_t *, void *, unsigned), 0, &wide, 3);
    TRY("mipmap-odd", "cuMipmappedArrayCreate", (uint64_t *, void *, unsigned), out, &odd, 3);
}

static void contexts(void) {
    static const char *const plain[] = {"cuCtxCreate", "cuCtxCreate_v2", "cuGLCtxCreate", "cuGLCtxCreate_v2"};
    for (int i = 0; i < 4; i++) {
        TRY(plain[i], plain[i], (uint64_t *, unsigned, int), out, 0, 0);
        TRY("context-null", plain[i], (uint64_t *, unsigned, int), 0, 0, 0);
        TRY("context-nowhere", plain[i], (uint64_t *, unsigned, int), out, 0, 77);
    }
    TRY("cuCtxCreate_v3", "cuCtxCreate_v3", (uint64_t *, void *, int, unsigned, int), out, 0, 0, 0, 0);
    TRY("cuCtxCreate_v4", "cuCtxCreate_v4", (uint64_t *, void *, unsigned, int), out, 0, 0, 0);
    TRY("limit", "cuCtxSetLimit", (int, size_t), 2, 1024 * MIB);
    TRY("limit-odd", "cuCtxSetLimit", (int, size_t), 77, 1024 * MIB);
}

/* A graph that needs memory: made ready and uploaded at once, and by itself. */
static void graphs(void) {
    struct {
        int kind, handles, where, id;
        uint64_t rest[9], access, accesses, size, address;
    } taking = {1, 0, 1, 0, {0}, 0, 0, MUCH, 0};
    uint64_t graph, node, exec = 0;
    CALL("cuGraphCreate", (uint64_t *, unsigned), &graph, 0);
    CALL("cuGraphAddMemAllocNode", (uint64_t *, uint64_t, void *, size_t, void *), &node, graph, 0, 0, &taking);
    struct {
        uint64_t flags, stream, node;
        int result;
    } p = {2, 0, BEFORE, 77};
    TRY("cuGraphInstantiateWithParams", "cuGraphInstantiateWithParams", (uint64_t *, uint64_t, void *), out, graph,
        &p);
    printf("its-parameters %lu %s %d\n", p.flags, now(p.node), p.result);
    TRY("graph-null", "cuGraphInstantiateWithParams", (uint64_t *, uint64_t, void *), 0, graph, &p);
    TRY("graph-nothing", "cuGraphInstantiateWithParams", (uint64_t *, uint64_t, void *), out, graph, 0);
    CALL("cuGraphInstantiateWithFlags", (uint64_t *, uint64_t, uint64_t), &exec, graph, 0);
    TRY("cuGraphUpload", "cuGraphUpload", (uint64_t, void *), exec, 0);
    TRY("cuGraphLaunch", "cuGraphLaunch", (uint64_t, void *), exec, 0);
}

int main(int count, char **arguments) {
    void *context = 0;
    open_driver();
    CALL("cuInit", (unsigned), 0);
    CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, 0);
    CALL("cuCtxSetCurrent", (void *), context);
    fill(count > 1 ? strtoull(arguments[1], 0, 0) * MIB : UINT64_MAX);
    linear(), apart(), arrays(), contexts(), graphs();
    CALL("cuCtxSetCurrent", (void *), 0);
    puts("without a context");
    TRY("cuMemAlloc_v2", "cuMemAlloc_v2", (uint64_t *, size_t), out, MUCH);
    TRY("cuMemAllocAsync", "cuMemAllocAsync", (uint64_t *, size_t, void *), out, MUCH, 0);
    TRY("limit", "cuCtxSetLimit", (int, size_t), 2, 1024 * MIB);
    arrays(), apart();
    puts("end");
    return 0;
}
