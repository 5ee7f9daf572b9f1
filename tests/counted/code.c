/*
 * A program that makes contexts and loads code in every way, for tests of what is counted: it runs the
 * commands that its arguments name and prints one line for each. What a command is given stands behind
 * its name, as in module=0,64 : place 0, an image of 64 KiB. "used" is what cuMemGetInfo says, in MiB.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB 1024ull
#define MIB (1024 * KIB)

static void *cuda;
#define CALL(name, types, ...) (((int(*) types)dlsym(cuda, name))(__VA_ARGS__))

static uint64_t place[64];

/* PTX of so many bytes. */
static char *image(uint64_t bytes) {
    char *text = malloc(bytes + 1);
    memset(text, ' ', bytes);
    memcpy(text, "//\n.version 8.0\n", 16);
    text[bytes] = 0;
    return text;
}
static char *file(uint64_t bytes) {
    static char path[] = "/tmp/aliquot-image-XXXXXX";
    char *text = image(bytes);
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, text, bytes) != (ssize_t)bytes) exit(8);
    close(fd);
    free(text);
    return path;
}
static int library(const char *name, uint64_t *to, const void *what) {
    return CALL(name, (uint64_t *, const void *, void *, void *, unsigned, void *, void *, unsigned),
                to, what, 0, 0, 0, 0, 0, 0);
}
static int green(uint64_t *to) {
    static uint64_t resource[64];
    void *described = 0;
    int result = CALL("cuDeviceGetDevResource", (int, void *, int), 0, resource, 1);
    if (!result)
        result = CALL("cuDevResourceGenerateDesc", (void **, void *, unsigned), &described, resource, 1);
    if (!result)
        result = CALL("cuGreenCtxCreate", (uint64_t *, void *, int, unsigned), to, described, 0, 1);
    return result;
}

static void run(char *text) {
    char command[40] = {0}, *data = 0;
    uint64_t a = 0, b = 0, c = 0;
    int result = 0;
    sscanf(text, "%39[^=]=%lu,%lu,%lu", command, &a, &b, &c);
#define IS(name) (!strcmp(command, name))
    uint64_t *at = &place[a % 64];
    if (IS("init"))
        result = CALL("cuInit", (unsigned), 0);
    else if (IS("primary"))
        result = CALL("cuDevicePrimaryCtxRetain", (uint64_t *, int), at, 0);
    else if (IS("cuDevicePrimaryCtxRelease") || IS("cuDevicePrimaryCtxRelease_v2") ||
             IS("cuDevicePrimaryCtxReset") || IS("cuDevicePrimaryCtxReset_v2"))
        result = CALL(command, (int), 0);
    else if (IS("cuCtxCreate") || IS("cuCtxCreate_v2") || IS("cuGLCtxCreate") ||
             IS("cuGLCtxCreate_v2"))
        result = CALL(command, (uint64_t *, unsigned, int), at, 0, 0);
    else if (IS("cuCtxCreate_v3"))
        result = CALL(command, (uint64_t *, void *, int, unsigned, int), at, 0, 0, 0, 0);
    else if (IS("cuCtxCreate_v4"))
        result = CALL(command, (uint64_t *, void *, unsigned, int), at, 0, 0, 0);
    else if (IS("with-affinity")) {
        uint64_t affinity[4] = {0, 1};
        result = CALL("cuCtxCreate_v3", (uint64_t *, void *, int, unsigned, int), at, affinity, 1, 0, 0);
    } else if (IS("green"))
        result = green(at);
    else if (IS("of-green"))
        result = CALL("cuCtxFromGreenCtx", (uint64_t *, uint64_t), at, place[b]);
    else if (IS("stream-of-green"))
        result = CALL("cuGreenCtxStreamCreate", (uint64_t *, uint64_t, unsigned, int), at, place[b], 1, 0);
    else if (IS("cuGreenCtxDestroy") || IS("cuCtxDestroy") || IS("cuCtxDestroy_v2") ||
             IS("cuCtxDetach") || IS("cuCtxSetCurrent") || IS("cuModuleUnload") ||
             IS("cuLibraryUnload") || IS("cuArrayDestroy") || IS("cuMemFree_v2") ||
             IS("cuFuncLoad"))
        result = CALL(command, (uint64_t), *at);
    else if (IS("cuCtxAttach"))
        result = CALL(command, (uint64_t *, unsigned), at, 0);
    else if (IS("limit"))
        result = CALL("cuCtxSetLimit", (int, size_t), (int)a, b * KIB);
    else if (IS("alloc"))
        result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), at, b * MIB);
    else if (IS("array")) {
        size_t d[5] = {b * MIB / 4096, 1024, 0, 0x100000020ull, 0};
        result = CALL("cuArray3DCreate_v2", (uint64_t *, void *), at, d);
    } else if (IS("cuModuleLoadData") || IS("cuModuleLoadFatBinary"))
        result = CALL(command, (uint64_t *, void *), at, data = image(b * KIB));
    else if (IS("cuModuleLoadDataEx"))
        result = CALL(command, (uint64_t *, void *, unsigned, void *, void *), at,
                      data = image(b * KIB), 0, 0, 0);
    else if (IS("cuModuleLoad")) {
        char *path = file(b * KIB);
        result = CALL(command, (uint64_t *, char *), at, path);
        unlink(path);
    } else if (IS("cuLibraryLoadData"))
        result = library(command, at, data = image(b * KIB));
    else if (IS("cuLibraryLoadFromFile")) {
        char *path = file(b * KIB);
        result = library(command, at, path);
        unlink(path);
    } else if (IS("cuModuleGetFunction") || IS("cuLibraryGetKernel"))
        result = CALL(command, (uint64_t *, uint64_t, const char *), at, place[b], "kernel");
    else if (IS("cuLibraryGetModule") || IS("cuKernelGetFunction"))
        result = CALL(command, (uint64_t *, uint64_t), at, place[b]);
    else if (IS("launch"))
        result = CALL("cuLaunchKernel",
                      (uint64_t, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                       void *, void *, void *),
                      *at, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0);
    else if (IS("used")) {
        size_t free = 0, total = 0;
        CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
        printf("used %.3f\n", (double)(total - free) / MIB);
        fflush(stdout);
        return;
    } else if (IS("wait")) {
        puts("waiting");
        fflush(stdout);
        char unused;
        if (read(0, &unused, 1) < 0) exit(8);
        return;
    } else {
        printf("unknown command %s\n", text);
        exit(9);
    }
    free(data);
    printf("%s %d\n", text, result);
    fflush(stdout);
}

int main(int count, char **arguments) {
    cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (!cuda) {
        printf("no driver: %s\n", dlerror());
        return 9;
    }
    for (int i = 1; i < count; i++) run(arguments[i]);
    puts("end");
    return 0;
}
