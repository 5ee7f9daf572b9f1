/*
 * The stand-in driver of the shim's tests, and memory that its users take in other ways: counted by
 * what lives, so that a test can compare. One process, one lock, no error that a test does not ask
 * for.
 */
static int free_buffer(unsigned long address);
#define FREE_OTHER free_buffer
static int come_back(unsigned long bytes, int result);
/* In the slow table a context that begins has this size, who is told whether the primary one lives that, and one
 * that ends the third. */
#define CONTEXT 1
#define STATE 2
#define END 3
#define CONTEXT_BEGINS() come_back(CONTEXT, 0)
#define CONTEXT_ENDS(ctx) come_back(END, 0)
#define STATE_TOLD() come_back(STATE, 0)
static int is_mute;
#define RETAIN_FAILS is_mute
#include "../shim/driver.c"

#ifndef NVML
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t living;

/* For tests: bytes that live on the cards, beside linear memory. */
uint64_t standin_living(void) { return living; }

#define LOCKED(body)                                                                               \
    pthread_mutex_lock(&lock);                                                                     \
    int result = body;                                                                             \
    pthread_mutex_unlock(&lock);                                                                   \
    return result

/* Compiled with -finstrument-functions, a thread waits for its cancellation in the n-th call that it
 * makes from outside, as it would in a system call of a real driver: at its beginning, or, for n above
 * 100, at its end. For n above 200 it goes on from there, and ends in whatever it comes to next. */
#define UNSEEN __attribute__((no_instrument_function))
static __thread int depth, begins_left, ends_left, goes_on;
static int waiting;
UNSEEN int standin_arm(int n) {
    begins_left = n > 100 ? 0 : n;
    ends_left = n > 100 ? n % 100 : 0;
    goes_on = n > 200;
    return depth = 0;
}
UNSEEN int standin_waiting(void) { return __atomic_load_n(&waiting, __ATOMIC_SEQ_CST); }
UNSEEN static void count_down(int *left) {
    if (depth || !*left || --*left) return;
    if (goes_on) pthread_cancel(pthread_self());
    __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
    while (!goes_on) poll(0, 0, -1);
}
UNSEEN void __cyg_profile_func_enter(void *function, void *caller) {
    count_down(&begins_left);
    depth++;
}
UNSEEN void __cyg_profile_func_exit(void *function, void *caller) {
    depth--;
    count_down(&ends_left);
}

/* Green contexts: numbers, each of which keeps the primary one; and a driver that does not say which that is. */
void standin_mute(int mute) { is_mute = mute; }
int cuGreenCtxCreate(void **made, void *resources, int device, unsigned flags) {
    if (device < 0 || device >= CARDS) return 101;
    retained[device]++;
    *made = (void *)(uint64_t)(0x4000 + device);
    return 0;
}
int cuGreenCtxDestroy(void *green) { return cuDevicePrimaryCtxRelease_v2((int)((uint64_t)green - 0x4000)); }

/* Memory apart from addresses. A handle's number is used again as soon as it is free. */
#define MEMORIES 4096
static struct memory {
    uint64_t size;
    int held, mapped, on_device;
    uint64_t name;
} memories[MEMORIES];
#define MAPPINGS 4096
static struct mapping {
    uint64_t start, size;
    int memory;
} mappings[MAPPINGS];

typedef struct location {
    int kind, id;
} location;
typedef struct properties {
    int kind, handles;
    location where;
    void *windows;
    unsigned char flags[8];
} properties;

static void drop(struct memory *memory) {
    if (memory->held || memory->mapped) return;
    if (memory->on_device) living -= memory->size;
    memory->size = 0;
}
static int create_memory(uint64_t *handle, size_t size, const properties *p, uint64_t flags) {
    calls++;
    if (!initialised) return 3;
    if (!handle || !p || !size || size % (2 * MIB) || flags) return 1;
    if (p->where.kind == 1 && (p->where.id < 0 || p->where.id >= CARDS)) return 101;
    if (refuses()) return 2;
    for (int i = 0; i < MEMORIES; i++)
        if (!memories[i].size) {
            memories[i] = (struct memory){size, 1, 0, p->where.kind == 1};
            if (memories[i].on_device) living += size;
            *handle = 0x1000 + i;
            return 0;
        }
    return 2;
}
/* Handles that were imported are numbers of their own, of the same memory. */
#define IMPORTED 0x100000
static struct memory *memory_of(uint64_t handle) {
    uint64_t index = handle < IMPORTED ? handle - 0x1000 : handle % MEMORIES;
    return index < MEMORIES && memories[index].size ? &memories[index] : 0;
}
static int release_memory(uint64_t handle) {
    struct memory *memory = memory_of(handle);
    if (!memory || !memory->held) return 1;
    memory->held--;
    drop(memory);
    return 0;
}
static int map_memory(uint64_t start, size_t size, size_t offset, uint64_t handle) {
    struct memory *memory = memory_of(handle);
    if (!memory || !memory->held || !size || offset + size > memory->size) return 1;
    for (int i = 0; i < MAPPINGS; i++)
        if (!mappings[i].size) {
            mappings[i] = (struct mapping){start, size, (int)(memory - memories)};
            memory->mapped++;
            return 0;
        }
    return 1;
}
static int unmap_memory(uint64_t start, size_t size) {
    uint64_t found = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < MAPPINGS; i++) {
            struct mapping *m = &mappings[i];
            if (!m->size || m->start < start || m->start + m->size > start + size) continue;
            found += m->size;
            if (!pass) continue;
            memories[m->memory].mapped--;
            drop(&memories[m->memory]);
            m->size = 0;
        }
    return found == 2 * size || found == size ? 0 : 1;
}
static int retain_memory(uint64_t *handle, uint64_t address) {
    for (int i = 0; i < MAPPINGS; i++)
        if (mappings[i].size && address - mappings[i].start < mappings[i].size) {
            memories[mappings[i].memory].held++;
            *handle = 0x1000 + mappings[i].memory;
            return 0;
        }
    return 1;
}
/* Handles for other nodes (CU_MEM_HANDLE_TYPE_FABRIC, 64 bytes) are numbers, which keep nothing. Each
 * names what has been made in a place of memory since. */
static int is_fickle;
void standin_fickle(int fickle) { is_fickle = fickle; }
/* Descriptors, as drivers give them, are all of one file. This driver is not told when one is closed. */
static struct memory *described[1024];
static int describe(int *shared, struct memory *memory) {
    int descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (descriptor < 0 || descriptor >= 1024) return 2;
    described[descriptor] = memory;
    *shared = descriptor;
    return 0;
}
static int export_memory(uint64_t *shared, uint64_t handle, int kind) {
    static uint64_t next;
    struct memory *memory = memory_of(handle);
    if (memory && memory->held && shared && kind == 1) return describe((int *)shared, memory);
    if (!memory || !memory->held || !shared || kind != 8) return 1;
    memset(shared, 0x5a, 64);
    if (!memory->name || is_fickle) memory->name = ++next;
    shared[0] = (uint64_t)(memory - memories);
    shared[7] = memory->name;
    return 0;
}
static int import_memory(uint64_t *handle, const uint64_t *shared, int kind) {
    static uint64_t next;
    if (handle && kind == 1) {
        struct memory *memory = (uint64_t)shared < 1024 ? described[(uint64_t)shared] : 0;
        if (!memory || !memory->size) return 1;
        memory->held++;
        *handle = IMPORTED + ++next * MEMORIES + (uint64_t)(memory - memories);
        return 0;
    }
    if (!handle || !shared || kind != 8 || shared[0] >= MEMORIES) return 1;
    struct memory *memory = &memories[shared[0]];
    if (!memory->size || memory->name != shared[7]) return 1;
    memory->held++;
    *handle = IMPORTED + ++next * MEMORIES + shared[0];
    return 0;
}
static int range_of(uint64_t *start, size_t *size, uint64_t address) {
    for (int i = 0; i < MAPPINGS; i++)
        if (mappings[i].size && address - mappings[i].start < mappings[i].size) {
            *start = mappings[i].start;
            *size = mappings[i].size;
            return 0;
        }
    return 500;
}
/* One multicast object and one logical endpoint: what is bound to them lives until it is unbound. */
#define OBJECT 0x900
#define ENDPOINT 0x901
static struct binding {
    uint64_t object, start, size;
    int memory;
} bindings[64];
static int bind_memory(uint64_t object, size_t start, uint64_t handle, size_t size) {
    struct memory *memory = memory_of(handle);
    if (object != OBJECT && object != ENDPOINT) return 1;
    if (!memory || !memory->held || !size || size > memory->size) return 1;
    for (int i = 0; i < 64; i++)
        if (!bindings[i].size) {
            bindings[i] = (struct binding){object, start, size, (int)(memory - memories)};
            memory->mapped++;
            return 0;
        }
    return 1;
}
static int bind_address(uint64_t object, size_t start, uint64_t address, size_t size) {
    uint64_t handle;
    int result = retain_memory(&handle, address);
    if (!result) result = bind_memory(object, start, handle, size);
    if (!result) release_memory(handle);
    return result;
}
static int unbind(uint64_t object, size_t start, size_t size) {
    int result = 1;
    for (int i = 0; i < 64; i++) {
        struct binding *b = &bindings[i];
        if (object != b->object || !b->size) continue;
        if (b->start < start || b->start + b->size > start + size) continue;
        memories[b->memory].mapped--;
        drop(&memories[b->memory]);
        b->size = result = 0;
    }
    return result;
}
int cuMulticastBindMem(uint64_t object, size_t start, uint64_t handle, size_t offset, size_t size,
                       uint64_t flags) {
    LOCKED(bind_memory(object, start, handle, size));
}
int cuMulticastBindMem_v2(uint64_t object, int device, size_t start, uint64_t handle, size_t offset,
                          size_t size, uint64_t flags) {
    LOCKED(bind_memory(object, start, handle, size));
}
int cuMulticastBindAddr(uint64_t object, size_t start, uint64_t address, size_t size, uint64_t flags) {
    LOCKED(bind_address(object, start, address, size));
}
int cuMulticastBindAddr_v2(uint64_t object, int device, size_t start, uint64_t address, size_t size,
                           uint64_t flags) {
    LOCKED(bind_address(object, start, address, size));
}
int cuMulticastUnbind(uint64_t object, int device, size_t start, size_t size) {
    LOCKED(unbind(object, start, size));
}
int cuLogicalEndpointBindMem(unsigned endpoint, int device, uint64_t start, uint64_t handle,
                             uint64_t offset, uint64_t size, uint64_t flags) {
    LOCKED(bind_memory(endpoint, start, handle, size));
}
int cuLogicalEndpointBindAddr(unsigned endpoint, int device, uint64_t start, void *address,
                              uint64_t size, uint64_t flags) {
    LOCKED(bind_address(endpoint, start, (uint64_t)address, size));
}
int cuLogicalEndpointUnbind(unsigned endpoint, int device, uint64_t start, uint64_t size) {
    LOCKED(unbind(endpoint, start, size));
}
int cuLogicalEndpointDestroy(unsigned endpoint) {
    LOCKED(endpoint == ENDPOINT ? (unbind(endpoint, 0, ~0ull / 2), 0) : 1);
}

int cuMemCreate(uint64_t *handle, size_t size, const properties *p, uint64_t flags) {
    LOCKED(create_memory(handle, size, p, flags));
}
int cuMemExportToShareableHandle(void *shared, uint64_t handle, int kind, uint64_t flags) {
    LOCKED(export_memory(shared, handle, kind));
}
int cuMemImportFromShareableHandle(uint64_t *handle, void *shared, int kind) {
    LOCKED(import_memory(handle, shared, kind));
}
int cuMemRelease(uint64_t handle) { LOCKED(release_memory(handle)); }
int cuMemMap(uint64_t start, size_t size, size_t offset, uint64_t handle, uint64_t flags) {
    LOCKED(map_memory(start, size, offset, handle));
}
static int unmap_locked(uint64_t start, size_t size) { LOCKED(unmap_memory(start, size)); }
int cuMemUnmap(uint64_t start, size_t size) { return come_back(size, unmap_locked(start, size)); }
int cuMemGetAddressRange_v2(uint64_t *start, size_t *size, uint64_t address) {
    LOCKED(range_of(start, size, address));
}
int cuMemRetainAllocationHandle(uint64_t *handle, void *address) {
    LOCKED(retain_memory(handle, (uint64_t)address));
}

/* Pools: chunks of 32 MiB at least, of which a request takes whole ones; a pool keeps what it has
 * until it is trimmed. STANDIN_CAPTURES makes every stream one that is being captured. */
#define POOLS 320
#define CHUNK (32 * MIB)
static struct pool {
    uint64_t reserved, used;
    int made, device;
} pools[POOLS] = {{0, 0, 1, 0}, {0, 0, 1, 1}, {0, 0, 2, 0}};
/* Those that a program has set in place of a card's own. */
static struct pool *chosen[CARDS];
static struct pool *pool_at(int device) { return chosen[device] ? chosen[device] : &pools[device]; }
#define LENT 4096
static struct lent {
    uint64_t at, size;
    int pool;
} lent[LENT];

typedef struct pool_properties {
    int kind, handles;
    location where;
    unsigned char rest[72];
} pool_properties;

static struct pool *pool_of(void *handle) {
    uint64_t index = (uint64_t)handle - 0x2000;
    return index < POOLS && pools[index].made ? &pools[index] : 0;
}
/* A capture of a stream that another thread has under way in mode GLOBAL: it ends with any call of a thread
 * that has not said RELAXED, but for those that put something into a stream, and waits, which this driver allows. */
static int is_captured, is_broken;
static __thread int capture_mode;
void standin_capture(int begins) {
    is_captured = begins;
    is_broken = 0;
}
int standin_broken(void) { return is_broken; }
int cuThreadExchangeStreamCaptureMode(int *mode) {
    int before = capture_mode;
    capture_mode = *mode;
    *mode = before;
    return 0;
}
static int disturbs(void) {
    if (is_captured && capture_mode != 2) is_broken = 1;
    return is_broken;
}
int cuCtxSynchronize(void) { return current ? 0 : 201; }

static int lend(uint64_t *address, size_t size, struct pool *pool) {
    calls++;
    if (!initialised) return 3;
    if (!current) return 201;
    if (!address || !size || !pool) return 1;
    if (refuses()) return 2;
    if (getenv("STANDIN_CAPTURES")) {
        *address = 0x66600000;
        return 0;
    }
    size = (size + 511) & ~511ull;
    for (int i = 0; i < LENT; i++)
        if (!lent[i].size) {
            /* With STANDIN_TORN what is idle does not serve again. */
            uint64_t idle = getenv("STANDIN_TORN") ? 0 : pool->reserved - pool->used;
            if (size > idle) {
                uint64_t more = (size - idle + CHUNK - 1) / CHUNK * CHUNK;
                pool->reserved += more;
                living += more;
            }
            pool->used += size;
            lent[i] = (struct lent){next_address, size, (int)(pool - pools)};
            *address = next_address;
            next_address += (size + 0x1fffff) & ~0x1fffffull;
            return 0;
        }
    return 2;
}
static int trim(struct pool *pool, size_t keep) {
    if (disturbs()) return 900;
    if (!pool) return 1;
    uint64_t least = pool->used > keep ? pool->used : keep;
    least = (least + CHUNK - 1) / CHUNK * CHUNK;
    if (least < pool->reserved) {
        living -= pool->reserved - least;
        pool->reserved = least;
    }
    return 0;
}
static int give(uint64_t address) {
    for (int i = 0; i < LENT; i++)
        if (lent[i].size && lent[i].at == address) {
            pools[lent[i].pool].used -= lent[i].size;
            lent[i].size = 0;
            return 0;
        }
    return 1;
}
static int create_pool(void **handle, const pool_properties *p) {
    if (!handle || !p) return 1;
    for (int i = 0; i < POOLS; i++)
        if (!pools[i].made) {
            pools[i] = (struct pool){0, 0, 1, p->where.id};
            *handle = (void *)(uint64_t)(0x2000 + i);
            return 0;
        }
    return 2;
}
static int destroy_pool(struct pool *pool) {
    if (!pool || pool < pools + CARDS + 1) return 1;
    for (int i = 0; i < CARDS; i++)
        if (chosen[i] == pool) chosen[i] = 0;
    pool->made = 0;
    living -= pool->reserved;
    return 0;
}
static int pool_number(struct pool *pool, int attribute, uint64_t *value) {
    if (disturbs()) return 900;
    if (!pool || !value) return 1;
    *value = attribute == 5 ? pool->reserved : attribute == 7 ? pool->used : 0;
    return 0;
}
/* The current pool, and what another thread does while one is in its next call: as a program would, it sets
 * the first pool that was made, or ends it; or it takes from the current one while that is ended. */
enum { NOTHING, SETS, ENDS, TAKES, TAKES_LATE };
static int races;
void standin_race(int how) { races = how; }
static int of_program(const char *name, void *a, void *b) {
    return ((int (*)(void *, void *, void *))dlsym(RTLD_DEFAULT, name))(a, b, 0);
}
static void *as_another(void *other) {
    static uint64_t at;
    current = other;
    switch (races) {
    case SETS: races = 0; return (void *)(intptr_t)of_program("cuDeviceSetMemPool", 0, (void *)0x2003);
    case ENDS: races = 0; return (void *)(intptr_t)of_program("cuMemPoolDestroy", (void *)0x2003, 0);
    default: races = 0; return (void *)(intptr_t)of_program("cuMemAllocAsync", &at, (void *)MIB);
    }
}
static void *raced;
int standin_raced(void) { return (int)(intptr_t)raced; }
static void race(void) {
    pthread_t thread;
    pthread_create(&thread, 0, as_another, current);
    pthread_join(thread, &raced);
}
int cuDeviceSetMemPool(int device, void *pool) {
    if (device < 0 || device >= CARDS) return 101;
    LOCKED((chosen[device] = pool_of(pool)) ? 0 : 1);
}
int cuMemAllocAsync(uint64_t *address, size_t size, void *stream) {
    if (races == SETS || races == ENDS) race();
    LOCKED(lend(address, size, current ? pool_at(current->device) : 0));
}
/* Which pool memory is of. */
static int pool_that_lent(void **pool, uint64_t address) {
    for (int i = 0; i < LENT; i++)
        if (lent[i].size && lent[i].at == address) {
            *pool = (void *)(uint64_t)(0x2000 + lent[i].pool);
            return 0;
        }
    return 1;
}
int cuMemPoolSetAttribute(void *pool, int attribute, void *value) {
    if (races == TAKES_LATE) race();
    LOCKED(disturbs() ? 900 : pool_of(pool) ? 0 : 1);
}
int cuPointerGetAttribute(void **value, int attribute, uint64_t address) {
    LOCKED(attribute == 17 ? pool_that_lent(value, address) : 1);
}
int cuMemAllocAsync_ptsz(uint64_t *address, size_t size, void *stream) {
    return cuMemAllocAsync(address, size, stream);
}
int cuMemAllocFromPoolAsync(uint64_t *address, size_t size, void *pool, void *stream) {
    LOCKED(lend(address, size, pool_of(pool)));
}
int cuMemAllocFromPoolAsync_ptsz(uint64_t *address, size_t size, void *pool, void *stream) {
    return cuMemAllocFromPoolAsync(address, size, pool, stream);
}
int cuMemFreeAsync(uint64_t address, void *stream) { LOCKED(give(address)); }
int cuMemFreeAsync_ptsz(uint64_t address, void *stream) { LOCKED(give(address)); }
/* A stream may wait for what the thread that asks for memory has yet to launch: nobody may wait for it. */
int cuStreamSynchronize(void *stream) { abort(); }
int cuMemPoolCreate(void **pool, const pool_properties *p) { LOCKED(create_pool(pool, p)); }
int cuMemPoolDestroy(void *pool) { LOCKED(destroy_pool(pool_of(pool))); }
int cuMemPoolTrimTo(void *pool, size_t keep) { LOCKED(trim(pool_of(pool), keep)); }
int cuMemPoolGetAttribute(void *pool, int attribute, uint64_t *value) {
    LOCKED(pool_number(pool_of(pool), attribute, value));
}
/* The default pool of managed memory is the third. */
int cuMemGetDefaultMemPool(void **pool, int *where, int kind) {
    *pool = (void *)(uint64_t)(kind == 2 ? 0x2002 : 0x2000);
    return 0;
}
int cuDeviceGetDefaultMemPool(void **pool, int device) {
    if (device < 0 || device >= CARDS) return 101;
    if (races == TAKES) race();
    *pool = (void *)(uint64_t)(0x2000 + device);
    return 0;
}
int cuDeviceGetMemPool(void **pool, int device) {
    if (device < 0 || device >= CARDS) return 101;
    *pool = (void *)(uint64_t)(0x2000 + (pool_at(device) - pools));
    return 0;
}
int cuStreamIsCapturing(void *stream, int *status) {
    *status = getenv("STANDIN_CAPTURES") ? 1 : 0;
    return 0;
}
int cuStreamIsCapturing_ptsz(void *stream, int *status) {
    return cuStreamIsCapturing(stream, status);
}

/* Arrays: numbers, and nothing behind them. A descriptor without a width is refused. */
static int make_array(void **array, const size_t *width) {
    static uint64_t next = 0x5000;
    calls++;
    if (!initialised) return 3;
    if (!current) return 201;
    if (!array || !width || !*width) return 1;
    if (refuses()) return 2;
    *array = (void *)(next += 16);
    return 0;
}
#define BUFFERS 0x600000000000
#define MIPMAPS 0x610000000000
static int unmap_external(uint64_t made);
static void forget_tiles(uint64_t array);
static int end_array(void *array) {
    forget_tiles((uint64_t)array);
    if ((uint64_t)array >> 40 == MIPMAPS >> 40) return unmap_external((uint64_t)array);
    return array ? 0 : 400;
}
int cuArrayCreate_v2(void **array, const size_t *d) { LOCKED(make_array(array, d)); }
int cuArray3DCreate_v2(void **array, const size_t *d) { LOCKED(make_array(array, d)); }
int cuArrayCreate(void **array, const unsigned *d) {
    size_t width = d ? *d : 0;
    LOCKED(make_array(array, &width));
}
int cuArray3DCreate(void **array, const unsigned *d) {
    size_t width = d ? *d : 0;
    LOCKED(make_array(array, &width));
}
int cuMipmappedArrayCreate(void **array, const size_t *d, unsigned levels) {
    LOCKED(make_array(array, d));
}
int cuArrayDestroy(void *array) { LOCKED(end_array(array)); }
int cuMipmappedArrayDestroy(void *array) { LOCKED(end_array(array)); }

/* A limit of this size is set, or refused, and its caller comes back when another thread says so. So does
 * the first that unmaps so much, that makes or ends a context, or that asks whether the primary one lives. */
static _Atomic size_t slow;
static _Atomic int slow_result, is_held;

void standin_slow(size_t bytes, int result) {
    slow_result = result;
    is_held = 0;
    slow = bytes;
}

int standin_is_held(void) { return is_held; }

static int come_back(unsigned long bytes, int result) {
    int nobody = 0;
    if (bytes == slow && atomic_compare_exchange_strong(&is_held, &nobody, 1))
        while (slow) sched_yield();
    return result;
}

int cuCtxSetLimit(int limit, size_t bytes) {
    if (!current) return 201;
    if (bytes && bytes == slow) {
        is_held = 1;
        while (slow) sched_yield();
        return slow_result;
    }
    return limit > 6 || refuses() ? 1 : 0;
}

/* Memory of other interfaces: it lives as long as its handle or what is mapped from it. A handle's
 * number is used again at once. */
#define IMPORTS 64
static struct import {
    uint64_t size;
    int held, mapped;
} imports[IMPORTS];

typedef struct import_descriptor {
    int kind;
    void *handle[2];
    unsigned long long size;
    unsigned flags, reserved[16];
} import_descriptor;

static void drop_import(struct import *import) {
    if (!import->held && !import->mapped) living -= import->size, import->size = 0;
}
static int import_external(void **handle, const import_descriptor *d) {
    calls++;
    if (!initialised) return 3;
    if (!current) return 201;
    if (!handle || !d || !d->size) return 1;
    if (refuses()) return 2;
    for (int i = 0; i < IMPORTS; i++)
        if (!imports[i].size) {
            imports[i] = (struct import){d->size, 1, 0};
            living += d->size;
            *handle = (void *)(uint64_t)(0x3000 + i);
            return 0;
        }
    return 2;
}
static struct import *import_of(void *handle) {
    uint64_t index = (uint64_t)handle - 0x3000;
    return index < IMPORTS && imports[index].held ? &imports[index] : 0;
}
static int destroy_external(struct import *import) {
    if (!import) return 400;
    import->held = 0;
    drop_import(import);
    return 0;
}
/* What is mapped has the number of its import in its address. */
static int map_external(uint64_t *made, struct import *import, const void *descriptor, uint64_t at) {
    static uint64_t next;
    if (!import) return 400;
    if (!made || !descriptor) return 1;
    import->mapped++;
    *made = at + ((uint64_t)(import - imports) << 24) + 0x100 * ++next;
    return 0;
}
static int unmap_external(uint64_t made) {
    struct import *import = &imports[made >> 24 & (IMPORTS - 1)];
    if (!import->mapped) return 1;
    import->mapped--;
    drop_import(import);
    return 0;
}
static int free_buffer(unsigned long address) {
    if (address >> 40 != BUFFERS >> 40) return -1;
    LOCKED(unmap_external(address));
}
int cuImportExternalMemory(void **handle, const import_descriptor *d) {
    LOCKED(import_external(handle, d));
}
int cuDestroyExternalMemory(void *handle) { LOCKED(destroy_external(import_of(handle))); }
int cuExternalMemoryGetMappedBuffer(uint64_t *address, void *handle, const void *d) {
    LOCKED(map_external(address, import_of(handle), d, BUFFERS));
}
int cuExternalMemoryGetMappedMipmappedArray(uint64_t *array, void *handle, const void *d) {
    LOCKED(map_external(array, import_of(handle), d, MIPMAPS));
}
#include "code_driver.c"
#include "graph_driver.c"
#endif
