/* One multicast object and one logical endpoint: what is bound to them lives until it is unbound; also what a pool has
 * lent, beside what the pool has by then. */
static int lent_of(uint64_t address);
static int bind_lent(int lent, size_t size);
static void unbind_lent(int lent);
#define OBJECT 0x900
#define ENDPOINT 0x901
static struct binding {
    uint64_t object, start, size;
    int memory, lent;
} bindings[64];
static int bind_pools(uint64_t object, size_t start, int lent, size_t size) {
    if (object != OBJECT && object != ENDPOINT || !size) return 1;
    for (int i = 0; i < 64; i++)
        if (!bindings[i].size) {
            bindings[i] = (struct binding){object, start, size, -1, lent};
            return bind_lent(lent, size);
        }
    return 1;
}
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
    int lent = lent_of(address);
    if (lent >= 0) return bind_pools(object, start, lent, size);
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
        if (b->memory < 0) unbind_lent(b->lent);
        else {
            memories[b->memory].mapped--;
            drop(&memories[b->memory]);
        }
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
