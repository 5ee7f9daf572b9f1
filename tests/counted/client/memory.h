/* Linear memory, arrays and code. */
#pragma once
#include "world.h"

/* An array of floats; its form is the function's name, its size width, rows and slices or layers. */
static int array(const char *name, uint64_t *at, uint64_t n[3], unsigned channels, unsigned flags,
                 unsigned levels) {
    struct {
        size_t n[3];
        unsigned format, channels, flags;
    } wide = {{n[0], n[1], n[2]}, 32, channels, flags};
    struct {
        size_t n[2];
        unsigned format, channels;
    } flat = {{n[0], n[1]}, 32, channels};
    struct {
        unsigned n[3], format, channels, flags;
    } wide_v1 = {{(unsigned)n[0], (unsigned)n[1], (unsigned)n[2]}, 32, channels, flags};
    struct {
        unsigned n[2], format, channels;
    } flat_v1 = {{(unsigned)n[0], (unsigned)n[1]}, 32, channels};
    int v2 = strstr(name, "_v2") != 0, is_flat = strncmp(name, "cuArray3D", 9) != 0;
    if (!strncmp(name, "cuMip", 5))
        return CALL(name, (uint64_t *, void *, unsigned), at, &wide, levels);
    void *descriptor = is_flat ? v2 ? (void *)&flat : (void *)&flat_v1
                               : v2 ? (void *)&wide : (void *)&wide_v1;
    return CALL(name, (uint64_t *, void *), at, descriptor);
}

/* Code of a file of so many bytes. */
static int load(uint64_t *code, uint64_t bytes, int is_library) {
    char path[] = "/tmp/aliquot-code-XXXXXX";
    int file = mkstemp(path);
    if (file < 0 || ftruncate(file, (off_t)bytes)) exit(8);
    close(file);
    int result = is_library ? CALL("cuLibraryLoadFromFile",
                                   (uint64_t *, char *, void *, void *, unsigned, void *, void *, unsigned), code,
                                   path, 0, 0, 0, 0, 0, 0)
                            : CALL("cuModuleLoad", (uint64_t *, char *), code, path);
    unlink(path);
    return result;
}

/* What names something of code. */
static int of_code(const char *name, uint64_t *out, uint64_t code) {
    size_t bytes = 0;
    if (strstr(name, "Global") || strstr(name, "Managed"))
        return CALL(name, (uint64_t *, size_t *, uint64_t, const char *), out, &bytes, code, "name");
    if (strstr(name, "Enumerate")) return CALL(name, (uint64_t *, unsigned, uint64_t), out, 1, code);
    if (strstr(name, "Load") || strstr(name, "Unload")) return CALL(name, (uint64_t), code);
    return CALL(name, (uint64_t *, uint64_t, const char *), out, code, "name");
}

static int memory_word(struct word *word) {
    char *text = word->text;
    const char *command = word->command;
    uint64_t a = word->a, b = word->b;
    int result = 0;
    if (IS("module") || IS("library"))
        result = load(&place[a], b * MIB, IS("library"));
    else if (!strncmp(command, "of-", 3))
        result = of_code(command + 3, &place[a], place[b]);
    else if (IS("managed"))
        result = CALL("cuMemAllocManaged", (uint64_t *, size_t, unsigned), &place[a], b * MIB, 1);
    else if (IS("pitch")) {
        size_t pitch;
        result = CALL("cuMemAllocPitch_v2", (uint64_t *, size_t *, size_t, size_t, unsigned), &place[a], &pitch,
                      4096, b * MIB / 4096, 4);
    } else if (IS("alloc")) {
        place[a] = UNTOUCHED;
        result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &place[a], b * MIB);
        if (result && place[a] != UNTOUCHED) printf("%s wrote\n", text);
    } else if (!strncmp(command, "cuArray", 7) || !strncmp(command, "cuMip", 5)) {
        /* cuArrayCreate=0,width,rows,slices,channels,flags,levels */
        uint64_t n[3] = {0}, channels = 1, flags = 0, levels = 1;
        sscanf(text, "%*[^=]=%*u,%lu,%lu,%lu,%lu,%lu,%lu", &n[0], &n[1], &n[2], &channels, &flags,
               &levels);
        if (strstr(command, "Destroy"))
            result = CALL(command, (uint64_t), place[a]);
        else {
            place[a] = UNTOUCHED;
            result = array(command, &place[a], n, channels, flags, levels);
            if (result && place[a] != UNTOUCHED) printf("%s wrote\n", text);
        }
    } else if (IS("array-nulls")) {
        result = CALL("cuArray3DCreate_v2", (void *, void *), 0, 0) * 10 +
                 CALL("cuMipmappedArrayCreate", (void *, void *, unsigned), &place[a], 0, 1);
    } else if (IS("free")) {
        result = CALL("cuMemFree_v2", (uint64_t), place[a]);
    } else
        return NOT_MINE;
    word->result = result;
    return SAID;
}
