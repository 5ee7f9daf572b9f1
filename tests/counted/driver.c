/*
 * The stand-in driver of the shim's tests, and memory that its users take in other ways: counted by
 * what lives, so that a test can compare. One process, one lock, no error that a test does not ask
 * for.
 */
#include "../shim/driver.c"

#ifndef NVML
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t living;

/* For tests: bytes that live on the cards, beside linear memory. */
uint64_t standin_living(void) { return living; }

#define LOCKED(body)                                                                               \
    pthread_mutex_lock(&lock);                                                                     \
    int result = body;                                                                             \
    pthread_mutex_unlock(&lock);                                                                   \
    return result

/* Memory apart from addresses. A handle's number is used again as soon as it is free. */
#define MEMORIES 4096
static struct memory {
    uint64_t size;
    int held, mapped, on_device;
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
static struct memory *memory_of(uint64_t handle) {
    uint64_t index = handle - 0x1000;
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
int cuMemCreate(uint64_t *handle, size_t size, const properties *p, uint64_t flags) {
    LOCKED(create_memory(handle, size, p, flags));
}
int cuMemRelease(uint64_t handle) { LOCKED(release_memory(handle)); }
int cuMemMap(uint64_t start, size_t size, size_t offset, uint64_t handle, uint64_t flags) {
    LOCKED(map_memory(start, size, offset, handle));
}
int cuMemUnmap(uint64_t start, size_t size) { LOCKED(unmap_memory(start, size)); }
int cuMemRetainAllocationHandle(uint64_t *handle, void *address) {
    LOCKED(retain_memory(handle, (uint64_t)address));
}
#endif
