/*
 * A stand-in for libcuda.so.1 (or, with -DNVML, for libnvidia-ml.so.1) that tests of the shim load:
 * two cards, memory that is only counted, and the odd behaviour that a test asks for in the
 * environment. It is not the simulated driver: it knows just what the hooks call.
 *
 *   STANDIN_NEWER    cuGetProcAddress answers "cuMemAlloc" with a function that nobody exports
 *   STANDIN_REFUSES  every allocation is refused by the driver itself
 *   STANDIN_SLEEPS   cuMemAlloc_v2 sleeps forever, at a cancellation point
 *   STANDIN_BROKEN   NVML's memory queries fail with 999
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CARDS 2
#define MIB (1ull << 20)
#define TOTAL (32768 * MIB)
#define RESERVED (258 * MIB)

static const unsigned char uuids[CARDS][16] = {
    {0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11},
    {0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22},
};

/* With -DOLD it is a driver of CUDA 11.3: what came later is not there, or not yet to be seen. */
#ifdef OLD
#define LATER __attribute__((visibility("hidden")))
#else
#define LATER
#endif

#ifndef NVML

/* What a driver that knows more does when a context ends. */
#ifndef RELEASES
#define RELEASES()
#endif
#ifndef CONTEXT_ENDS
#define CONTEXT_ENDS(context)
#endif
/* Where a context lies. */
#ifndef NEW_CONTEXT
#define NEW_CONTEXT() malloc(sizeof(context))
#define FREE_CONTEXT(context) free(context)
#endif
/* Whether it refuses to end one. */
#ifndef END_FAILS
#define END_FAILS 0
#endif
/* The same where one has just begun. */
#ifndef CONTEXT_BEGINS
#define CONTEXT_BEGINS()
#endif
/* Whether it refuses one more reference to the primary one. */
#ifndef RETAIN_FAILS
#define RETAIN_FAILS 0
#endif
/* And where it was asked whether the primary one lives. */
#ifndef STATE_TOLD
#define STATE_TOLD()
#endif

typedef struct context {
    int device;
    int primary;
} context;

static context primaries[CARDS] = {{0, 1}, {1, 1}};
static int retained[CARDS];
static int initialised;
static __thread context *current;
static uint64_t next_address = 0x7f0000000000;
static uint64_t calls;

/* For tests: how many allocating or freeing calls reached the driver. */
uint64_t standin_calls(void) { return calls; }

static int refuses(void) { return getenv("STANDIN_REFUSES") != 0; }

int cuInit(unsigned flags) {
    if (flags) return 1;
    initialised = 1;
    return 0;
}
int cuDriverGetVersion(int *version) {
    if (!version) return 1;
    *version = 12090;
    return 0;
}
int cuDeviceGetCount(int *count) {
    if (!initialised) return 3;
    if (!count) return 1;
    *count = CARDS;
    return 0;
}
int cuDeviceGet(int *device, int ordinal) {
    if (!initialised) return 3;
    if (!device) return 1;
    if (ordinal < 0 || ordinal >= CARDS) return 101;
    *device = ordinal;
    return 0;
}
int cuDeviceGetUuid(void *uuid, int device) {
    if (!initialised) return 3;
    if (device < 0 || device >= CARDS) return 101;
    if (!uuid) return 1;
    memcpy(uuid, uuids[device], 16);
    return 0;
}
LATER int cuDeviceGetUuid_v2(void *uuid, int device) { return cuDeviceGetUuid(uuid, device); }
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    if (!initialised) return 3;
    if (device < 0 || device >= CARDS) return 101;
    if (!bytes) return 1;
    *bytes = TOTAL - RESERVED;
    return 0;
}
int cuDeviceTotalMem(unsigned *bytes, int device) {
    size_t all;
    int result = bytes ? cuDeviceTotalMem_v2(&all, device) : 1;
    if (!result) *bytes = all > UINT32_MAX ? UINT32_MAX : (unsigned)all;
    return result;
}
int cuCtxGetDevice(int *device) {
    if (!initialised) return 3;
    if (!device) return 1;
    if (!current) return 201;
    *device = current->device;
    return 0;
}
int cuCtxGetCurrent(context **ctx) { return ctx ? (*ctx = current, 0) : 1; }
int cuCtxSetCurrent(context *ctx) {
    if (!initialised) return 3;
    current = ctx;
    return 0;
}
int cuCtxPushCurrent_v2(context *ctx) { return cuCtxSetCurrent(ctx); }
int cuCtxPopCurrent_v2(context **ctx) {
    if (!current) return 201;
    if (ctx) *ctx = current;
    current = 0;
    return 0;
}
static int create(context **ctx, int device) {
    if (!initialised) return 3;
    if (!ctx) return 1;
    if (device < 0 || device >= CARDS) return 101;
    context *made = NEW_CONTEXT();
    made->device = device;
    made->primary = 0;
    *ctx = current = made;
    CONTEXT_BEGINS();
    return 0;
}
int cuCtxCreate(context **ctx, unsigned flags, int device) { return create(ctx, device); }
int cuCtxCreate_v2(context **ctx, unsigned flags, int device) { return create(ctx, device); }
LATER int cuCtxCreate_v3(context **ctx, void *affinity, int n, unsigned flags, int device) {
    return create(ctx, device);
}
LATER int cuCtxCreate_v4(context **ctx, void *params, unsigned flags, int device) {
    return create(ctx, device);
}
int cuCtxDestroy_v2(context *ctx) {
    if (!ctx || ctx->primary) return 201;
    if (END_FAILS) return 999;
    if (current == ctx) current = 0;
    CONTEXT_ENDS(ctx);
    FREE_CONTEXT(ctx);
    return 0;
}
int cuCtxDestroy(context *ctx) { return cuCtxDestroy_v2(ctx); }
LATER int cuCtxGetDevice_v2(int *device, context *ctx) {
    if (!ctx) return cuCtxGetDevice(device);
    *device = ctx->device;
    return 0;
}
int cuDevicePrimaryCtxRetain(context **ctx, int device) {
    if (!initialised) return 3;
    if (device < 0 || device >= CARDS) return 101;
    if (!ctx) return 1;
    if (RETAIN_FAILS) return 2;
    retained[device]++;
    *ctx = &primaries[device];
    CONTEXT_BEGINS();
    return 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
    RELEASES();
    if (device < 0 || device >= CARDS) return 101;
    if (!retained[device]) return 201;
    if (!--retained[device]) CONTEXT_ENDS(&primaries[device]);
    return 0;
}
int cuDevicePrimaryCtxRelease(int device) { return cuDevicePrimaryCtxRelease_v2(device); }
int cuDevicePrimaryCtxReset_v2(int device) {
    if (device < 0 || device >= CARDS) return 101;
    if (END_FAILS) return 999;
    CONTEXT_ENDS(&primaries[device]);
    return 0;
}
int cuDevicePrimaryCtxReset(int device) { return cuDevicePrimaryCtxReset_v2(device); }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    if (device < 0 || device >= CARDS) return 101;
    *flags = 0;
    *active = retained[device] > 0;
    STATE_TOLD();
    return 0;
}

static int allocate(uint64_t *address, size_t bytes) {
    calls++;
    if (getenv("STANDIN_SLEEPS")) pause();
    if (!initialised) return 3;
    if (!current) return 201;
    if (!address || !bytes) return 1;
    if (refuses()) return 2;
    *address = __atomic_fetch_add(&next_address, (bytes + 0x1fffff) & ~0x1fffffull, 0);
    return 0;
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) { return allocate(address, bytes); }
static int newer_alloc(uint64_t *address, size_t bytes) { return allocate(address, bytes); }
int cuMemAlloc(unsigned *address, unsigned bytes) {
    uint64_t whole;
    int result = allocate(address ? &whole : 0, bytes);
    if (!result) *address = (unsigned)whole;
    return result;
}
int cuMemAllocManaged(uint64_t *address, size_t bytes, unsigned flags) {
    return allocate(address, bytes);
}
int cuMemAllocPitch_v2(uint64_t *address, size_t *pitch, size_t width, size_t height, unsigned e) {
    size_t wide = (width + 511) & ~511ull;
    int result = pitch ? allocate(address, wide * height) : 1;
    if (!result) *pitch = wide;
    return result;
}
int cuMemAllocPitch(unsigned *address, unsigned *pitch, unsigned width, unsigned height, unsigned e) {
    size_t wide;
    uint64_t whole;
    int result = cuMemAllocPitch_v2(&whole, &wide, width, height, e);
    if (!result) *address = (unsigned)whole, *pitch = (unsigned)wide;
    return result;
}
/* Where other memory is freed by cuMemFree too: its answer, or below 0 what is not such memory. */
#ifndef FREE_OTHER
#define FREE_OTHER(address) -1
#endif
int cuMemFree_v2(uint64_t address) {
    calls++;
    if (!initialised) return 3;
    int other = FREE_OTHER(address);
    if (other >= 0) return other;
    return address == 0xdead ? 1 : 0;
}
int cuMemFree(unsigned address) { return cuMemFree_v2(address); }
int cuMemGetInfo_v2(size_t *free, size_t *total) {
    if (!initialised) return 3;
    if (!current) return 201;
    if (free) *free = TOTAL - RESERVED - 100 * MIB;
    if (total) *total = TOTAL - RESERVED;
    return 0;
}
int cuMemGetInfo(unsigned *free, unsigned *total) {
    size_t f, t;
    int result = cuMemGetInfo_v2(&f, &t);
    if (!result) {
        if (free) *free = UINT32_MAX;
        if (total) *total = UINT32_MAX;
    }
    return result;
}
int cuStreamGetFlags(void *stream) { return 600; }
int cuStreamGetFlags_ptsz(void *stream) { return 601; }

static void *find(const char *symbol, int version, uint64_t flags) {
    static const struct {
        const char *base;
        int from;
        void *address, *per_thread;
    } table[] = {
#define ROW(base, from, name) {#base, from, (void *)name, (void *)name}
        ROW(cuInit, 2000, cuInit),
        ROW(cuDriverGetVersion, 2020, cuDriverGetVersion),
        ROW(cuDeviceGet, 2000, cuDeviceGet),
        ROW(cuDeviceGetCount, 2000, cuDeviceGetCount),
        ROW(cuDeviceGetUuid, 9020, cuDeviceGetUuid),
        ROW(cuDeviceGetUuid, 11040, cuDeviceGetUuid_v2),
        ROW(cuDeviceTotalMem, 2000, cuDeviceTotalMem),
        ROW(cuDeviceTotalMem, 3020, cuDeviceTotalMem_v2),
        ROW(cuCtxCreate, 2000, cuCtxCreate),
        ROW(cuCtxCreate, 3020, cuCtxCreate_v2),
        ROW(cuCtxCreate, 11040, cuCtxCreate_v3),
        ROW(cuCtxCreate, 12050, cuCtxCreate_v4),
        ROW(cuCtxDestroy, 2000, cuCtxDestroy),
        ROW(cuCtxDestroy, 4000, cuCtxDestroy_v2),
        ROW(cuCtxGetDevice, 2000, cuCtxGetDevice),
        ROW(cuCtxGetCurrent, 4000, cuCtxGetCurrent),
        ROW(cuCtxSetCurrent, 4000, cuCtxSetCurrent),
        ROW(cuDevicePrimaryCtxRetain, 7000, cuDevicePrimaryCtxRetain),
        ROW(cuDevicePrimaryCtxRelease, 7000, cuDevicePrimaryCtxRelease),
        ROW(cuDevicePrimaryCtxRelease, 11000, cuDevicePrimaryCtxRelease_v2),
        ROW(cuDevicePrimaryCtxReset, 7000, cuDevicePrimaryCtxReset),
        ROW(cuDevicePrimaryCtxReset, 11000, cuDevicePrimaryCtxReset_v2),
        ROW(cuDevicePrimaryCtxGetState, 7000, cuDevicePrimaryCtxGetState),
        ROW(cuMemAlloc, 2000, cuMemAlloc),
        ROW(cuMemAlloc, 3020, cuMemAlloc_v2),
        ROW(cuMemAllocManaged, 6000, cuMemAllocManaged),
        ROW(cuMemAllocPitch, 2000, cuMemAllocPitch),
        ROW(cuMemAllocPitch, 3020, cuMemAllocPitch_v2),
        ROW(cuMemFree, 2000, cuMemFree),
        ROW(cuMemFree, 3020, cuMemFree_v2),
        ROW(cuMemGetInfo, 2000, cuMemGetInfo),
        ROW(cuMemGetInfo, 3020, cuMemGetInfo_v2),
        {"cuStreamGetFlags", 2000, (void *)cuStreamGetFlags, (void *)cuStreamGetFlags_ptsz},
    };
    void *found = 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(symbol, table[i].base) && version >= table[i].from)
            found = flags & 2 ? table[i].per_thread : table[i].address;
    if (found && !strcmp(symbol, "cuMemAlloc") && getenv("STANDIN_NEWER")) return newer_alloc;
    return found;
}
LATER int cuGetProcAddress_v2(const char *symbol, void **pfn, int version, uint64_t flags, int *status);
int cuGetProcAddress(const char *symbol, void **pfn, int version, uint64_t flags) {
    if (!symbol || !pfn || flags & ~3ull) return 1;
    void *found = find(symbol, version, flags);
    if (!strcmp(symbol, "cuGetProcAddress") && version >= 11030)
        found = version >= 12000 ? (void *)cuGetProcAddress_v2 : (void *)cuGetProcAddress;
#ifdef OLD
    if (found == (void *)cuGetProcAddress_v2 || found == (void *)cuCtxCreate_v4) found = 0;
#endif
    if (!found) return 500;
    *pfn = found;
    return 0;
}
LATER int cuGetProcAddress_v2(const char *symbol, void **pfn, int version, uint64_t flags, int *status) {
    if (!symbol || !pfn || flags & ~3ull) return 1;
    void *found = 0;
    int missing = cuGetProcAddress(symbol, &found, version, flags);
    *pfn = found;
    if (status) *status = missing ? 1 : 0;
    return 0;
}

#else

typedef struct memory {
    unsigned long long total, free, used;
} memory;
typedef struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
} memory_v2;

static int handles[CARDS] = {0, 1};
static int initialised;

int nvmlInitWithFlags(unsigned flags) { return initialised = 1, 0; }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return initialised ? (initialised = 0) : 1; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, int **handle) {
    if (!initialised) return 1;
    if (index >= CARDS || !handle) return 2;
    *handle = &handles[index];
    return 0;
}
int nvmlDeviceGetUUID(int *handle, char *text, unsigned length) {
    static const char hex[] = "0123456789abcdef";
    if (!initialised) return 1;
    if (!handle || !text) return 2;
    if (length < 41) return 7;
    char *to = text + 4;
    memcpy(text, "GPU-", 4);
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
        *to++ = hex[uuids[*handle][i] >> 4];
        *to++ = hex[uuids[*handle][i] & 15];
    }
    *to = 0;
    return 0;
}
int nvmlDeviceGetMemoryInfo(int *handle, memory *info) {
    if (!initialised) return 1;
    if (!handle || !info) return 2;
    if (getenv("STANDIN_BROKEN")) return 999;
    *info = (memory){TOTAL, TOTAL - RESERVED - 100 * MIB, RESERVED + 100 * MIB};
    return 0;
}
/* The first card is in confidential mode. */
int nvmlDeviceGetConfComputeProtectedMemoryUsage(int *handle, memory *info) {
    if (!initialised) return 1;
    if (!handle || !info) return 2;
    *info = *handle ? (memory){0, 0, 0} : (memory){TOTAL, TOTAL - 100 * MIB, 100 * MIB};
    return 0;
}
/* As the real library, it calls its own functions through the symbol table. */
int nvmlDeviceGetMemoryInfo_v2(int *handle, memory_v2 *info) {
    memory plain;
    if (info && info->version != 0x2000028) return 25;
    int result = nvmlDeviceGetMemoryInfo(handle, info ? &plain : 0);
    if (result) return result;
    *info = (memory_v2){info->version, plain.total, RESERVED, plain.free, plain.used - RESERVED};
    return 0;
}
#endif
