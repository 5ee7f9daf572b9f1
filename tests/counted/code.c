/*
 * A program that makes contexts and loads code in every way, for tests of what is counted: it runs the
 * commands that its arguments name and prints one line for each. What a command is given stands behind
 * its name, as in module=0,64 : place 0, an image of 64 KiB. "used" is what cuMemGetInfo says, in MiB;
 * "more=N" asks until that has become N MiB more by itself, for a minute at most; "smi" is what nvidia-smi says of
 * it, of the processes and of the card. What a process gives to others stands in the file that HANDLE names.
 */
#define _GNU_SOURCE
#include "client/driver.h"
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#define KIB 1024ull
#define MIB (1024 * KIB)

static uint64_t place[64];
static int exported;

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

/* Memory for other processes: by a handle, or by a descriptor of the process that made it. */
typedef struct {
    char bytes[64];
} ipc_handle;
static FILE *handle_file(const char *how) {
    FILE *file = fopen(getenv("HANDLE"), how);
    if (!file) exit(8);
    return file;
}
static int ipc_get(uint64_t address) {
    ipc_handle handle;
    int result = CALL("cuIpcGetMemHandle", (ipc_handle *, uint64_t), &handle, address);
    FILE *file = handle_file("w");
    fwrite(&handle, sizeof handle, 1, file);
    fclose(file);
    return result;
}
static int ipc_open(uint64_t *at) {
    ipc_handle handle;
    FILE *file = handle_file("r");
    if (fread(&handle, sizeof handle, 1, file) != 1) exit(8);
    fclose(file);
    return CALL("cuIpcOpenMemHandle_v2", (uint64_t *, ipc_handle, unsigned), at, handle, 1);
}
static int create(uint64_t *at, uint64_t bytes) {
    int properties[8] = {1, 1, 1};
    return CALL("cuMemCreate", (uint64_t *, size_t, void *, uint64_t), at, bytes, properties, 0);
}
static int export_memory(uint64_t memory, int *descriptor) {
    int result = CALL("cuMemExportToShareableHandle", (int *, uint64_t, int, uint64_t), descriptor, memory, 1, 0);
    FILE *file = handle_file("w");
    fprintf(file, "%d %d", getpid(), *descriptor);
    fclose(file);
    return result;
}
/* The descriptor goes as it would over a socket: it is the same open file. */
static int import_memory(uint64_t *at) {
    int process, descriptor;
    FILE *file = handle_file("r");
    if (fscanf(file, "%d %d", &process, &descriptor) != 2) exit(8);
    fclose(file);
    int of = (int)syscall(434 /* pidfd_open */, process, 0);
    int copy = (int)syscall(438 /* pidfd_getfd */, of, descriptor, 0);
    int result = CALL("cuMemImportFromShareableHandle", (uint64_t *, void *, int), at, (void *)(intptr_t)copy, 1);
    close(copy);
    close(of);
    return result;
}
static double used(void) {
    size_t free = 0, total = 0;
    CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
    return (double)(total - free) / MIB;
}
static int becomes_more(double by) {
    double first = used();
    for (int tries = 0; tries < 1200; tries++) {
        if (used() >= first + by) return 0;
        usleep(50000);
    }
    return 1;
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
             IS("cuFuncLoad") || IS("cuIpcCloseMemHandle") || IS("cuMemRelease"))
        result = CALL(command, (uint64_t), *at);
    else if (IS("ipc-get"))
        result = ipc_get(*at);
    else if (IS("ipc-open"))
        result = ipc_open(at);
    else if (IS("create"))
        result = create(at, b * MIB);
    else if (IS("export"))
        result = export_memory(*at, &exported);
    else if (IS("import"))
        result = import_memory(at);
    else if (IS("close"))
        result = close(exported);
    else if (IS("cuCtxAttach"))
        result = CALL(command, (uint64_t *, unsigned), at, 0);
    else if (IS("limit"))
        result = CALL("cuCtxSetLimit", (int, size_t), (int)a, b * KIB);
    else if (IS("alloc"))
        result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), at, b * MIB);
    else if (IS("managed"))
        result = CALL("cuMemAllocManaged", (uint64_t *, size_t, unsigned), at, b * MIB, 1);
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
        printf("used %.3f\n", used());
        fflush(stdout);
        return;
    } else if (IS("more"))
        result = becomes_more(a);
    else if (IS("smi"))
        result = system("nvidia-smi -i 0 --query-gpu=memory.used --format=csv,noheader,nounits;"
                        "nvidia-smi --query-compute-apps=used_memory --format=csv,noheader,nounits");
    else if (IS("wait")) {
        wait_for_the_test();
        return;
    } else not_known(text);
    free(data);
    printf("%s %d\n", text, result);
    fflush(stdout);
}

int main(int count, char **arguments) {
    open_driver();
    for (int i = 1; i < count; i++) run(arguments[i]);
    puts("end");
    return 0;
}
