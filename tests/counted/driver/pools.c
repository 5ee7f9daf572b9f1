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
    /* How much of it is bound elsewhere, and whether the pool has it back. */
    uint64_t bound;
    int is_given;
} lent[LENT];
static int lent_of(uint64_t address) {
    for (int i = 0; i < LENT; i++)
        if (lent[i].size && !lent[i].is_given && address - lent[i].at < lent[i].size) return i;
    return -1;
}
static int range_of_lent(uint64_t *start, size_t *size, uint64_t address) {
    int i = lent_of(address);
    if (i < 0) return 500;
    *start = lent[i].at;
    *size = lent[i].size;
    return 0;
}
static int bind_lent(int i, size_t size) {
    lent[i].bound = size;
    return 0;
}
static void unbind_lent(int i) {
    if (lent[i].is_given) {
        living -= lent[i].bound;
        lent[i].size = lent[i].is_given = 0;
    }
    lent[i].bound = 0;
}

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
        if (lent[i].size && lent[i].at == address && !lent[i].is_given) {
            pools[lent[i].pool].used -= lent[i].size;
            if (lent[i].bound) {
                living += lent[i].bound;
                lent[i].is_given = 1;
            } else
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
int cuMemSetMemPool(location *where, int kind, void *pool) {
    return where->kind == 1 ? cuDeviceSetMemPool(where->id, pool) : 1;
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
static int give_locked(uint64_t address) { LOCKED(give(address)); }
/* Other memory too, some time. */
int cuMemFreeAsync(uint64_t address, void *stream) {
    return give_locked(address) ? cuMemFree_v2(address) : 0;
}
int cuMemFreeAsync_ptsz(uint64_t address, void *stream) { return cuMemFreeAsync(address, stream); }
/* A stream may wait for what the thread that asks for memory has yet to launch: nobody may wait for it. */
int cuStreamSynchronize(void *stream) { abort(); }
int cuMemPoolCreate(void **pool, const pool_properties *p) { LOCKED(create_pool(pool, p)); }
int cuMemPoolDestroy(void *pool) { LOCKED(destroy_pool(pool_of(pool))); }
/* As a driver does by itself. */
int standin_trims(void *pool) { LOCKED(trim(pool_of(pool), 0)); }
/* The next that asks for a number of a pool of the program's, or trims it, has looked it up, and comes to it so much
 * later; how many have found it ended by then, as a real driver would not find out. */
static _Atomic int lingers, is_lingering, found_ended;
void standin_linger(int ms) {
    is_lingering = 0;
    lingers = ms;
}
int standin_is_lingering(void) { return is_lingering; }
int standin_found_ended(void) { return found_ended; }
static void linger_in(struct pool *pool) {
    int ms = pool > pools + CARDS ? atomic_exchange(&lingers, 0) : 0;
    if (!ms) return;
    is_lingering = 1;
    usleep(ms * 1000);
    if (!pool->made) found_ended++;
}
int cuMemPoolTrimTo(void *pool, size_t keep) {
    linger_in(pool_of(pool));
    LOCKED(trim(pool_of(pool), keep));
}
int cuMemPoolGetAttribute(void *pool, int attribute, uint64_t *value) {
    linger_in(pool_of(pool));
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
