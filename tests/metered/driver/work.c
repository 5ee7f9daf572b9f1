/* What takes time: kernels in every form, fills and copies. */
#define SIZES unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz, unsigned shared
int cuLaunchKernel(void *f, SIZES, void *s, void **p, void **e) { return run(f, of(s, 0)); }
int cuLaunchKernel_ptsz(void *f, SIZES, void *s, void **p, void **e) { return run(f, of(s, 1)); }
int cuLaunchCooperativeKernel(void *f, SIZES, void *s, void **p) { return run(f, of(s, 0)); }
int cuLaunchCooperativeKernel_ptsz(void *f, SIZES, void *s, void **p) { return run(f, of(s, 1)); }
typedef struct config {
    unsigned x, y, z, bx, by, bz, shared;
    void *stream, *attributes;
    unsigned count;
} config;
int cuLaunchKernelEx(config *c, void *f, void **p, void **e) { return c ? run(f, of(c->stream, 0)) : 1; }
int cuLaunchKernelEx_ptsz(config *c, void *f, void **p, void **e) { return c ? run(f, of(c->stream, 1)) : 1; }
typedef struct params {
    void *function;
    unsigned x, y, z, bx, by, bz, shared;
    void *stream, **params;
} params;
int cuLaunchCooperativeKernelMultiDevice(params *list, unsigned count, unsigned flags) {
    int result = 0;
    for (unsigned i = 0; i < count && !result; i++) result = run(list[i].function, of(list[i].stream, 0));
    return result;
}
int cuLaunch(void *f) { return run(f, of(0, 0)); }
int cuLaunchGrid(void *f, int w, int h) { return run(f, of(0, 0)); }
int cuLaunchGridAsync(void *f, int w, int h, void *s) { return run(f, of(s, 0)); }

/* Filling takes a microsecond for each KiB, at least one. */
static int fill(uint64_t bytes, stream *s) { return run((void *)(FUNCTION + 16 * (bytes / 1024 + 1)), s); }
#define FILLS(bits)                                                                                        \
    int cuMemsetD##bits(unsigned a, unsigned v, unsigned n) { return fill(n * bits / 8, of(0, 0)); }       \
    int cuMemsetD##bits##_v2(uint64_t a, unsigned v, size_t n) { return fill(n * bits / 8, of(0, 0)); }    \
    int cuMemsetD##bits##_v2_ptds(uint64_t a, unsigned v, size_t n) { return fill(n * bits / 8, of(0, 1)); } \
    int cuMemsetD##bits##Async(uint64_t a, unsigned v, size_t n, void *s) { return fill(n * bits / 8, of(s, 0)); } \
    int cuMemsetD##bits##Async_ptsz(uint64_t a, unsigned v, size_t n, void *s) { return fill(n * bits / 8, of(s, 1)); } \
    int cuMemsetD2D##bits(unsigned a, unsigned p, unsigned v, unsigned w, unsigned h) { return fill(w * h * bits / 8, of(0, 0)); } \
    int cuMemsetD2D##bits##_v2(uint64_t a, size_t p, unsigned v, size_t w, size_t h) { return fill(w * h * bits / 8, of(0, 0)); } \
    int cuMemsetD2D##bits##_v2_ptds(uint64_t a, size_t p, unsigned v, size_t w, size_t h) { return fill(w * h * bits / 8, of(0, 1)); } \
    int cuMemsetD2D##bits##Async(uint64_t a, size_t p, unsigned v, size_t w, size_t h, void *s) { return fill(w * h * bits / 8, of(s, 0)); } \
    int cuMemsetD2D##bits##Async_ptsz(uint64_t a, size_t p, unsigned v, size_t w, size_t h, void *s) { return fill(w * h * bits / 8, of(s, 1)); }
FILLS(8)
FILLS(16)
FILLS(32)

static int await(stream *s);
/* Copying takes a microsecond for each 4 KiB, on an engine of its own. */
static int copy(uint64_t bytes, stream *s, int waits) {
    if (!initialised) return 3;
    if (in_callback) return 800;
    pthread_mutex_lock(&lock);
    int64_t ns = (bytes / 4096 + 1) * 1000;
    if (!s->capture) {
        put(s, ns);
        busy -= ns;
        copying += ns;
    }
    pthread_mutex_unlock(&lock);
    return waits ? await(s) : 0;
}
int cuMemcpyHtoD_v2(uint64_t to, void *from, size_t n) { return copy(n, of(0, 0), 1); }
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t n) { return copy(n, of(0, 0), 1); }
int cuMemcpyHtoDAsync_v2(uint64_t to, void *from, size_t n, void *s) { return copy(n, of(s, 0), 0); }
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t n, void *s) { return copy(n, of(s, 0), 0); }
int cuMemcpyAsync_ptsz(uint64_t to, uint64_t from, size_t n, void *s) { return copy(n, of(s, 1), 0); }
typedef struct area {
    size_t unused[14], width, height;
} area;
int cuMemcpy2DAsync_v2(area *a, void *s) { return a ? copy(a->width * a->height, of(s, 0), 0) : 1; }
int cuMemcpyBatchAsync_v2(uint64_t *to, uint64_t *from, size_t *sizes, size_t count, void *attributes, size_t *places, size_t n, void *s) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += sizes[i];
    return copy(sum, of(s, 0), 0);
}
