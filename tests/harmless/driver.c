/* A stand-in libcuda.so.1 for one card. Nothing is computed; two calls can be made to wait in a
   cancellation point, as a real driver waits in a system call. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID = 1, NOT_FOUND = 500 };
typedef struct { unsigned char bytes[16]; } Uuid;
static const Uuid UUID = {{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 1, 2, 3, 4, 5, 6, 7, 8}};
static const size_t TOTAL = 16ull << 30;
static size_t used;
static int context;
static __thread void *current;

/* The tests' own: an allocation of this size waits to be cancelled. */
enum { WAITS = 4096 };
static void wait_for_cancellation(void) {
    for (;;) poll(NULL, 0, -1);
}

int cuInit(unsigned flags) { return flags ? INVALID : OK; }
int cuDriverGetVersion(int *version) { *version = 13000; return OK; }
int cuDeviceGetCount(int *count) { *count = 1; return OK; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal ? 101 : OK; }
int cuDeviceGetName(char *name, int size, int device) {
    (void)device;
    strncpy(name, "Stand-in", (size_t)size);
    return OK;
}
int cuDeviceGetUuid(Uuid *uuid, int device) { (void)device; *uuid = UUID; return OK; }
int cuDeviceGetUuid_v2(Uuid *uuid, int device) { return cuDeviceGetUuid(uuid, device); }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = TOTAL; return OK; }
int cuDevicePrimaryCtxRetain(void **out, int device) { (void)device; *out = &context; return OK; }
int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; return OK; }
int cuDevicePrimaryCtxReset_v2(int device) { (void)device; return OK; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    (void)device;
    *flags = 0;
    *active = 1;
    return OK;
}
int cuCtxCreate_v2(void **out, unsigned flags, int device) {
    (void)flags; (void)device;
    *out = current = &context;
    return OK;
}
int cuCtxDestroy_v2(void *which) { (void)which; current = NULL; return OK; }
int cuCtxSetCurrent(void *which) { current = which; return OK; }
int cuCtxGetCurrent(void **out) { *out = current; return OK; }
int cuCtxPushCurrent_v2(void *which) { current = which; return OK; }
int cuCtxPopCurrent_v2(void **out) { *out = current; current = NULL; return OK; }
int cuCtxGetDevice(int *device) { *device = 0; return current ? OK : 201; }
int cuCtxSynchronize(void) { wait_for_cancellation(); return OK; }

int cuMemAlloc_v2(uint64_t *pointer, size_t bytes) {
    if (bytes == WAITS) wait_for_cancellation();
    void *memory = malloc(16);
    if (!memory) return 2;
    __atomic_add_fetch(&used, bytes, __ATOMIC_RELAXED);
    *pointer = (uint64_t)(uintptr_t)memory;
    return OK;
}
int cuMemFree_v2(uint64_t pointer) { free((void *)(uintptr_t)pointer); return OK; }
int cuMemGetInfo_v2(size_t *available, size_t *total) {
    *available = TOTAL - __atomic_load_n(&used, __ATOMIC_RELAXED);
    *total = TOTAL;
    return OK;
}

/* The real driver's way: base names, and the export that dlsym gives. */
static void *export_of(const char *name) {
    static const char *const versioned[] = {"cuMemAlloc", "cuMemFree", "cuMemGetInfo", "cuCtxCreate",
                                            "cuDeviceTotalMem", "cuGetProcAddress"};
    static void *self;
    char text[64];
    size_t size = strlen(name);
    if (size > sizeof text - 4) return NULL;
    memcpy(text, name, size + 1);
    for (size_t i = 0; i < sizeof versioned / sizeof *versioned; i++)
        if (!strcmp(name, versioned[i])) strcat(text, "_v2");
    if (!self) self = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    return self ? dlsym(self, text) : NULL;
}
int cuGetProcAddress_v2(const char *name, void **out, int version, uint64_t flags, int *status) {
    (void)version; (void)flags;
    *out = export_of(name);
    if (status) *status = *out ? 0 : 1;
    return OK;
}
int cuGetProcAddress(const char *name, void **out, int version, uint64_t flags) {
    (void)version; (void)flags;
    void *found = export_of(name);
    if (!found) return NOT_FOUND;
    *out = found;
    return OK;
}
