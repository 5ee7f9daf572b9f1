/* Memory apart from addresses: made, mapped, bound, and mapped into sparse arrays. */
#pragma once
#include "world.h"

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

static void *slow_unmap(void *bytes) { return (void *)(intptr_t)unmap(0x10000000, (size_t)bytes); }

static int vmm_word(struct word *word) {
    char *text = word->text;
    const char *command = word->command;
    uint64_t a = word->a, b = word->b, c = word->c;
    int result = 0;
    if (IS("bind-lent")) {
        /* bind-lent=place,way,size: what lies there, at the beginning of the object, in all three ways. */
        uint64_t at = place[a];
        if (b == 0)
            result = CALL("cuMulticastBindAddr", (uint64_t, size_t, uint64_t, size_t, uint64_t), 0x900, 0, at, c * MIB, 0);
        else if (b == 1)
            result = CALL("cuMulticastBindAddr_v2", (uint64_t, int, size_t, uint64_t, size_t, uint64_t), 0x900, 0, 0, at,
                          c * MIB, 0);
        else
            result = CALL("cuLogicalEndpointBindAddr", (unsigned, int, uint64_t, void *, uint64_t, uint64_t), 0x901, 0, 0,
                          (void *)at, c * MIB, 0);
    } else if (IS("create") || IS("create-bytes") || IS("create-host") || IS("create-there")) {
        place[a] = UNTOUCHED;
        result = create(&place[a], IS("create-bytes") ? b : b * MIB, IS("create-host") ? 2 : 1,
                        IS("create-there") ? 1 : 0);
        if (result && place[a] != UNTOUCHED) printf("%s wrote\n", text);
    } else if (IS("create-nulls")) {
        properties p = {1, 0, 1, 0};
        result = CALL("cuMemCreate", (uint64_t *, size_t, properties *, uint64_t), 0, 2 * MIB, &p, 0);
        result = result * 10 + CALL("cuMemCreate", (uint64_t *, size_t, properties *, uint64_t),
                                    &place[a], 2 * MIB, 0, 0);
    } else if (IS("create-at")) {
        /* create-at=place,size,kind of location,number */
        unsigned id = 0;
        sscanf(text, "%*[^=]=%*u,%*u,%*u,%u", &id);
        place[a] = UNTOUCHED;
        result = create(&place[a], b * MIB, (int)c, (int)id);
        if (result && place[a] != UNTOUCHED) printf("%s wrote\n", text);
    } else if (IS("release"))
        result = release(place[a]);
    else if (IS("release-at"))
        result = release(a);
    else if (IS("map"))
        result = map(0x10000000 + b * MIB, c * MIB, place[a]);
    else if (IS("unmap"))
        result = unmap(0x10000000 + a * MIB, b * MIB);
    else if (IS("bind")) {
        /* bind=memory,start,size: all six ways, one for each 1000 of the start. */
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
    } else if (IS("unbind-there"))
        result = CALL("cuMulticastUnbind", (uint64_t, int, size_t, size_t), 0x900, 1, a * MIB, b * MIB);
    else if (strstr(command, "tile") == command || strstr(command, "untile") == command)
        result = tile(command, text);
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
    } else if (IS("retain-of")) {
        /* By the address of plain memory. */
        result = CALL("cuMemRetainAllocationHandle", (uint64_t *, uint64_t), &place[a], place[b]);
    } else if (IS("retain"))
        result = CALL("cuMemRetainAllocationHandle", (uint64_t *, void *), &place[a],
                      (void *)(0x10000000 + b * MIB));
    else if (IS("threads")) {
        pthread_t threads[16];
        for (uint64_t i = 0; i < a; i++) pthread_create(&threads[i], 0, churn, (void *)i);
        for (uint64_t i = 0; i < a; i++) pthread_join(threads[i], 0);
    } else
        return NOT_MINE;
    word->result = result;
    return SAID;
}
