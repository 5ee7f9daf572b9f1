/*
 * Code and sparse arrays of the stand-in driver. Code lives since it was loaded, with CUDA_MODULE_LOADING=LAZY
 * from its first function or variable on; its size is that of its file. Of a sparse array one part is
 * mapped at a time.
 */
#include <fcntl.h>
#include <sys/syscall.h>

#define CODES 16
static struct code {
    uint64_t size;
    int is_on_card;
} codes[CODES];

static struct code *code_of(uint64_t handle) {
    uint64_t index = handle - 0x7000;
    return index < CODES && codes[index].size ? &codes[index] : 0;
}
/* Without a point at which a thread could be cancelled. */
static uint64_t size_of(const char *path) {
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
    uint64_t size = (uint64_t)syscall(SYS_lseek, file, 0, 2);
    syscall(SYS_close, file);
    return size;
}
static int use_code(struct code *code) {
    if (!code) return 400;
    if (!code->is_on_card) living += code->size;
    code->is_on_card = 1;
    return 0;
}
static int is_lazy(void) {
    const char *way = getenv("CUDA_MODULE_LOADING");
    return way && !strcmp(way, "LAZY");
}
int cuModuleGetLoadingMode(int *mode) {
    *mode = 1 + is_lazy();
    return 0;
}
static int load_code(uint64_t *handle, uint64_t size) {
    for (int i = 0; i < CODES; i++)
        if (!codes[i].size) {
            codes[i] = (struct code){size, 0};
            *handle = 0x7000 + i;
            if (!is_lazy()) use_code(&codes[i]);
            return 0;
        }
    return 2;
}
static int unload_code(struct code *code) {
    if (!code) return 400;
    if (code->is_on_card) living -= code->size;
    code->size = 0;
    return 0;
}
int cuModuleLoad(uint64_t *module, const char *path) {
    uint64_t size = size_of(path);
    LOCKED(load_code(module, size));
}
int cuLibraryLoadFromFile(uint64_t *library, const char *path, void *a, void *b, unsigned c, void *d, void *e,
                          unsigned f) {
    uint64_t size = size_of(path);
    LOCKED(load_code(library, size));
}
/* What names something of code answers the code's own number. */
static int name_of(uint64_t *out, uint64_t handle) {
    int result = use_code(code_of(handle));
    if (!result) *out = handle;
    return result;
}
int cuModuleGetFunction(uint64_t *out, uint64_t module, const char *name) { LOCKED(name_of(out, module)); }
int cuModuleGetGlobal(unsigned *out, unsigned *bytes, uint64_t module, const char *name) {
    LOCKED(use_code(code_of(module)));
}
int cuModuleGetGlobal_v2(uint64_t *out, size_t *bytes, uint64_t module, const char *name) {
    LOCKED(name_of(out, module));
}
int cuLibraryGetModule(uint64_t *out, uint64_t library) { LOCKED(name_of(out, library)); }
int cuLibraryGetKernel(uint64_t *out, uint64_t library, const char *name) { LOCKED(name_of(out, library)); }
int cuLibraryEnumerateKernels(uint64_t *out, unsigned count, uint64_t library) { LOCKED(name_of(out, library)); }
int cuLibraryGetGlobal(uint64_t *out, size_t *bytes, uint64_t library, const char *name) {
    LOCKED(name_of(out, library));
}
int cuLibraryGetManaged(uint64_t *out, size_t *bytes, uint64_t library, const char *name) {
    LOCKED(name_of(out, library));
}
int cuLibraryGetUnifiedFunction(uint64_t *out, uint64_t library, const char *name) { LOCKED(name_of(out, library)); }
int cuKernelGetLibrary(uint64_t *out, uint64_t kernel) { LOCKED(name_of(out, kernel)); }
int cuFuncGetModule(uint64_t *out, uint64_t function) { LOCKED(name_of(out, function)); }
int cuFuncLoad(uint64_t function) { LOCKED(use_code(code_of(function))); }
int cuModuleUnload(uint64_t module) { LOCKED(unload_code(code_of(module))); }
int cuLibraryUnload(uint64_t library) { LOCKED(unload_code(code_of(library))); }

#define TILED 16
static struct tiled {
    uint64_t array;
    struct memory *memory;
} tiled[TILED];

typedef struct map_info {
    int resource_kind;
    uint64_t resource;
    int part_kind;
    uint64_t part[4];
    int operation, handle_kind;
    uint64_t handle, offset;
    unsigned devices, flags, reserved[2];
} map_info;

static void forget_tiles(uint64_t array) {
    for (int i = 0; i < TILED; i++)
        if (array && tiled[i].array == array) {
            tiled[i].memory->mapped--;
            drop(tiled[i].memory);
            tiled[i].array = 0;
        }
}
static int map_tiles(const map_info *info) {
    if (info->operation == 2) {
        forget_tiles(info->resource);
        return 0;
    }
    struct memory *memory = memory_of(info->handle);
    if (!memory) return 1;
    for (int i = 0; i < TILED; i++)
        if (!tiled[i].array) {
            tiled[i] = (struct tiled){info->resource, memory};
            memory->mapped++;
            return 0;
        }
    return 2;
}
int cuMemMapArrayAsync(const map_info *info, unsigned count, void *stream) { LOCKED(map_tiles(info)); }
int cuMemMapArrayAsync_ptsz(const map_info *info, unsigned count, void *stream) { LOCKED(map_tiles(info)); }
/* Events, and how many had been recorded by then when each was. */
#define EVENTS 4096
static _Atomic int recordings;
static struct {
    _Atomic int is_made, at;
} events[EVENTS];
static int event_number(void *event) { return (int)((uint64_t)event - 0x800000) % EVENTS; }
int cuEventCreate(void **event, unsigned flags) {
    for (int i = 0; i < EVENTS; i++) {
        int none = 0;
        if (atomic_compare_exchange_strong(&events[i].is_made, &none, 1)) {
            *event = (void *)(0x800000ull + i);
            return come_back(EVENT, 0);
        }
    }
    return 2;
}
int cuEventRecord(void *event, void *stream) {
    events[event_number(event)].at = ++recordings;
    return 0;
}
int cuEventRecord_ptsz(void *event, void *stream) { return cuEventRecord(event, stream); }
/* 1: streams are held up before they come to any event; more: they are so many recordings late, and never at rest;
 * -1: they are not at rest when they are asked, and have come past every event a moment later. */
static int is_pending;
void standin_pending(int pending) { is_pending = pending; }
static int is_past(void *event) {
    return is_pending <= 0 || is_pending > 1 && recordings - events[event_number(event)].at >= is_pending;
}
/* How often anybody asked. */
static int queries;
int standin_queries(void) { return queries; }
int cuEventQuery(void *event) { return queries++, come_back(QUERY, is_past(event) ? 0 : 600); }
int cuEventDestroy_v2(void *event) {
    events[event_number(event)].is_made = 0;
    return 0;
}
/* How many there are. */
int standin_events(void) {
    int made = 0;
    for (int i = 0; i < EVENTS; i++) made += events[i].is_made;
    return made;
}
int cuStreamDestroy_v2(void *stream) { return 0; }
int cuStreamQuery(void *stream) { return is_pending ? 600 : 0; }
int cuStreamQuery_ptsz(void *stream) { return cuStreamQuery(stream); }

/* Contexts beside VDPAU's, which are contexts as others. */
int cuVDPAUCtxCreate(void **context, unsigned flags, int device, unsigned vdpau, void *look_up) {
    return cuCtxCreate_v2(context, flags, device);
}
int cuVDPAUCtxCreate_v2(void **context, unsigned flags, int device, unsigned vdpau, void *look_up) {
    return cuCtxCreate_v2(context, flags, device);
}
