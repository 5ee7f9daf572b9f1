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
