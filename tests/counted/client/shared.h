/* Memory that others have, or made: descriptors, handles, external memory. */
#pragma once
#include "vmm.h"

static int shared_word(struct word *word) {
    char *text = word->text;
    const char *command = word->command;
    uint64_t a = word->a, b = word->b, c = word->c;
    int result = 0;
    if (IS("export-often")) {
        /* Each by a descriptor of its own, all of which stay open. */
        struct rlimit many = {8192, 8192};
        result = setrlimit(RLIMIT_NOFILE, &many);
        int descriptor;
        for (uint64_t i = 0; i < b && !result; i++)
            result = CALL("cuMemExportToShareableHandle", (int *, uint64_t, int, uint64_t), &descriptor, place[a], 1, 0);
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
    } else if (IS("import-fd"))
        result = CALL("cuMemImportFromShareableHandle", (uint64_t *, uint64_t, int), &place[a], place[b], 1);
    else if (IS("export-fabric"))
        result = CALL("cuMemExportToShareableHandle", (void *, uint64_t, int, uint64_t), fabric[b], place[a], 8, 0);
    else if (IS("import-fabric"))
        result = CALL("cuMemImportFromShareableHandle", (uint64_t *, void *, int), &place[a], fabric[b], 8);
    else if (IS("import")) {
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
    } else
        return NOT_MINE;
    word->result = result;
    return SAID;
}
