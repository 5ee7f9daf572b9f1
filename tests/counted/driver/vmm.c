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
/* The card that a location lies on: itself, or a domain of it (CU_MEM_LOCATION_TYPE_DEVICE_LOCALITY_DOMAIN). As a driver
 * of a later version would, this one knows a kind that no header has: the current card. */
#define LATER_KIND 77
enum { ON_HOST = -1, NOWHERE = -2 };
static int card_at(location where) {
    switch (where.kind) {
    case 1: return where.id < 0 ? CARDS : where.id;
    case 2: case 3: case 4: return ON_HOST;
    case 6: return where.id & 0xff;
    case LATER_KIND: return current ? current->device : 0;
    default: return NOWHERE;
    }
}
static int create_memory(uint64_t *handle, size_t size, const properties *p, uint64_t flags) {
    calls++;
    if (!initialised) return 3;
    if (!handle || !p || !size || size % (2 * MIB) || flags) return 1;
    int card = card_at(p->where);
    if (card == NOWHERE) return 1;
    if (card >= CARDS) return 101;
    if (refuses()) return 2;
    for (int i = 0; i < MEMORIES; i++)
        if (!memories[i].size) {
            memories[i] = (struct memory){size, 1, 0, card >= 0};
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
#define DESCRIPTORS 8192
/* Descriptors, as drivers give them, are all of one file. This driver is not told when one is closed. */
static struct memory *described[DESCRIPTORS];
static int describe(int *shared, struct memory *memory) {
    int descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (descriptor < 0 || descriptor >= DESCRIPTORS) return 2;
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
        struct memory *memory = (uint64_t)shared < DESCRIPTORS ? described[(uint64_t)shared] : 0;
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
static int range_of_lent(uint64_t *start, size_t *size, uint64_t address);
static int range_of(uint64_t *start, size_t *size, uint64_t address) {
    for (int i = 0; i < MAPPINGS; i++)
        if (mappings[i].size && address - mappings[i].start < mappings[i].size) {
            *start = mappings[i].start;
            *size = mappings[i].size;
            return 0;
        }
    return range_of_lent(start, size, address);
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
