/*
 * The stand-in driver of the meter's tests: cards on which time passes. A function's handle says how long
 * its kernel runs; streams run beside each other; events, captures, graphs and callbacks obey CUDA's rules,
 * and whoever breaks one is counted: an event in a captured stream, a call that breaks a capture, an event
 * of a context that is gone.
 */
static void context_ends(void *context);
#define CONTEXT_ENDS(context) context_ends(context)
#include "../shim/driver.c"

#ifndef NVML
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))
#define NEVER (INT64_MAX / 2)
/* A function's handle: its kernel's microseconds above this. The one below spins until another kernel is
 * launched, and the next below takes 1 ms and 20 ms in turn. */
#define FUNCTION 0x100000000ul
#define SPINS ((void *)(FUNCTION - 16))
#define VARIES ((void *)(FUNCTION - 32))

typedef struct graph {
    int64_t ns;
    int kernels;
} graph;
typedef struct stream {
    context *ctx;
    int64_t until;
    graph *capture;
    int mode, broken;
    pthread_t capturer;
} stream;
typedef struct event {
    context *ctx;
    stream *on;
    int64_t at;
    int dead;
} event;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static stream legacy[CARDS], *spinner;
static __thread stream own;
static __thread int mode, in_callback;
#define MOST 65536
static event *events[MOST];
static stream *captured[64];
static int event_count;
static int64_t busy;
static uint64_t kernels, records, queries, violations, graphs;
static int64_t copying;

EXPORT int64_t standin_busy_ns(void) { return busy; }
EXPORT int64_t standin_copy_ns(void) { return copying; }
EXPORT uint64_t standin_kernels(void) { return kernels; }
EXPORT uint64_t standin_records(void) { return records; }
EXPORT uint64_t standin_violations(void) { return violations; }
EXPORT uint64_t standin_captured_kernels(graph *g) { return g ? g->kernels : 0; }
EXPORT int standin_mode(void) { return mode; }
/* Cancels the calling thread in the n-th call that it makes from now on: as the call begins, or at its end. */
static __thread int calls_left, cancels_late, is_last;
EXPORT void standin_cancel(int n, int late) { calls_left = n, cancels_late = late; }
static void cancelled(void) {
    pthread_cancel(pthread_self());
    pthread_testcancel();
}
static void begins(void) {
    if (calls_left == 0 || --calls_left) return;
    is_last = cancels_late;
    if (!cancels_late) cancelled();
}
static int ends(int result) {
    if (is_last) is_last = 0, cancelled();
    return result;
}
/* How far the default stream is behind the program. */
EXPORT int64_t standin_ahead_ns(void);

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}
static void rest(void) {
    struct timespec t = {0, 50000};
    nanosleep(&t, 0);
}
static stream *of(void *handle, int ptsz) {
    uintptr_t h = (uintptr_t)handle;
    if (h == 2 || (h == 0 && ptsz)) return own.ctx = current, &own;
    return h < 2 ? &legacy[current ? current->device : 0] : handle;
}
/* What no thread may do while a stream is captured in global mode, unless it says that it knows. */
static void unsafe_call(void) {
    for (int i = 0; i < 64; i++) {
        stream *s = captured[i];
        int mine = s && pthread_equal(s->capturer, pthread_self());
        if (s && mode != 2 && (s->mode == 0 || (s->mode == 1 && mine))) {
            s->broken = 1;
            violations++;
        }
    }
}
static void end_spin(void) {
    if (!spinner) return;
    int64_t t = now();
    for (int i = 0; i < event_count; i++)
        if (events[i]->on == spinner && events[i]->at == NEVER) events[i]->at = t;
    spinner->until = t;
    spinner = 0;
}
/* The lock is held. */
static void put(stream *s, int64_t ns) {
    int64_t t = now();
    s->until = (s->until > t ? s->until : t) + ns;
    busy += ns;
}
/* A forked child has no driver. */
static int is_forked(void) {
    static pid_t first;
    if (!first) first = getpid();
    return first != getpid();
}
static int run(void *function, stream *s) {
    begins();
    if (!initialised || is_forked()) return 3;
    if (in_callback) return 800;
    if (!function) return 400;
    pthread_mutex_lock(&lock);
    static int is_long;
    if (function == VARIES) is_long = !is_long;
    int64_t us = function != VARIES ? ((uintptr_t)function - FUNCTION) / 16 : is_long ? 20000 : 1000;
    if (s->capture) {
        s->capture->kernels++;
        s->capture->ns += us * 1000;
    } else if (function == SPINS) {
        kernels++;
        s->until = NEVER;
        spinner = s;
    } else {
        kernels++;
        end_spin();
        put(s, us * 1000);
    }
    pthread_mutex_unlock(&lock);
    return ends(0);
}

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

int cuStreamCreate(stream **s, unsigned flags) {
    if (!current) return 201;
    *s = calloc(1, sizeof **s);
    (*s)->ctx = current;
    return 0;
}
int cuStreamDestroy_v2(stream *s) { return 0; }
int cuStreamDestroy(stream *s) { return 0; }
int cuStreamGetCtx(void *s, context **ctx) {
    unsafe_call();
    return *ctx = of(s, 0)->ctx ? of(s, 0)->ctx : current, 0;
}
static int await(stream *s) {
    if (in_callback) return 800;
    for (;; rest()) {
        pthread_mutex_lock(&lock);
        int done = now() >= s->until;
        pthread_mutex_unlock(&lock);
        if (done) return 0;
    }
}
int cuStreamSynchronize(void *s) { return await(of(s, 0)); }
int cuStreamSynchronize_ptsz(void *s) { return await(of(s, 1)); }
int cuCtxSynchronize(void) {
    int result = await(of(0, 0));
    return result ? result : await(&own);
}

/* A green context keeps the primary one, and is nothing of its own here. */
int cuGreenCtxCreate(context **green, void *resources, int device, unsigned flags) {
    return cuDevicePrimaryCtxRetain(green, device);
}
int cuGreenCtxDestroy(context *green) { return cuDevicePrimaryCtxRelease_v2(green->device); }

/* From now on there are no new events. */
static int is_without_events;
uint64_t standin_no_events(void) { return is_without_events = 1; }
int cuEventCreate(event **e, unsigned flags) {
    begins();
    if (is_without_events) return 801;
    if (in_callback) return 800;
    if (!current) return 201;
    pthread_mutex_lock(&lock);
    unsafe_call();
    event *made = event_count < MOST ? calloc(1, sizeof *made) : 0;
    if (made) {
        made->ctx = current;
        events[event_count++] = made;
    }
    pthread_mutex_unlock(&lock);
    return *e = made, ends(made ? 0 : 2);
}
int cuEventDestroy_v2(event *e) { return 0; }
static void check(event *e) {
    if (!e->dead) return;
    fprintf(stderr, "an event of a context that is gone\n");
    abort();
}
int cuEventRecord(event *e, void *handle) {
    begins();
    stream *s = of(handle, 0);
    if (in_callback) return 800;
    check(e);
    if (s->ctx && s->ctx != e->ctx) return 400;
    pthread_mutex_lock(&lock);
    records++;
    violations += s->capture != 0;
    int64_t t = now();
    e->on = s;
    e->at = s->until > t ? s->until : t;
    pthread_mutex_unlock(&lock);
    return ends(0);
}
int cuEventQuery(event *e) {
    begins();
    if (in_callback) return 800;
    check(e);
    pthread_mutex_lock(&lock);
    unsafe_call();
    queries++;
    int result = now() >= e->at ? 0 : 600;
    pthread_mutex_unlock(&lock);
    return ends(result);
}
int cuEventSynchronize(event *e) {
    while (cuEventQuery(e)) rest();
    return 0;
}
int cuEventElapsedTime(float *ms, event *from, event *to) {
    begins();
    check(from), check(to);
    if (now() < from->at || now() < to->at) return 600;
    return *ms = (to->at - from->at) / 1e6, ends(0);
}

/* Whoever waits for an event here waits for one that is over. */
int cuStreamWaitEvent(void *s, event *e, unsigned flags) { return 0; }
int cuStreamWaitEvent_ptsz(void *s, event *e, unsigned flags) { return 0; }
int cuCtxWaitEvent(context *ctx, event *e) { return 0; }
int cuGreenCtxWaitEvent(context *green, event *e) { return 0; }

int cuThreadExchangeStreamCaptureMode(int *other) {
    begins();
    int before = mode;
    mode = *other;
    *other = before;
    return ends(0);
}
static int begin(stream *s, int m) {
    pthread_mutex_lock(&lock);
    s->capture = calloc(1, sizeof *s->capture);
    s->mode = m;
    s->broken = 0;
    s->capturer = pthread_self();
    for (int i = 0; i < 64; i++)
        if (!captured[i]) {
            captured[i] = s;
            break;
        }
    pthread_mutex_unlock(&lock);
    return 0;
}
int cuStreamBeginCapture_v2(void *s, int m) { return begin(of(s, 0), m); }
int cuStreamBeginCapture_v2_ptsz(void *s, int m) { return begin(of(s, 1), m); }
int cuStreamBeginCapture(void *s) { return begin(of(s, 0), 0); }
int cuStreamBeginCapture_ptsz(void *s) { return begin(of(s, 1), 0); }
static int end(stream *s, graph **g) {
    if (!s->capture) return 903;
    pthread_mutex_lock(&lock);
    *g = s->broken ? 0 : s->capture;
    int result = s->broken ? 901 : 0;
    s->capture = 0;
    for (int i = 0; i < 64; i++)
        if (captured[i] == s) captured[i] = 0;
    pthread_mutex_unlock(&lock);
    return result;
}
int cuStreamEndCapture(void *s, graph **g) { return end(of(s, 0), g); }
int cuStreamEndCapture_ptsz(void *s, graph **g) { return end(of(s, 1), g); }
static int capturing(stream *s, int *status) {
    begins();
    if (is_forked()) return 3;
    if (in_callback) return 800;
    return *status = s->capture ? s->broken ? 2 : 1 : 0, ends(0);
}
int cuModuleUnload(void *module) { return module ? 0 : 400; }
int cuLibraryUnload(void *library) { return library ? 0 : 400; }
int cuStreamIsCapturing(void *s, int *status) { return capturing(of(s, 0), status); }
int cuStreamIsCapturing_ptsz(void *s, int *status) { return capturing(of(s, 1), status); }

/* A graph is one piece of work; its memory nodes are none. */
int cuGraphGetNodes(graph *g, void **nodes, size_t *count) { return *count = 0, 0; }
int cuGraphInstantiateWithFlags(graph **exec, graph *g, uint64_t flags) {
    *exec = malloc(sizeof **exec);
    return **exec = *g, 0;
}
int cuGraphExecDestroy(graph *exec) { return 0; }
static int launch_graph(graph *g, stream *s) {
    begins();
    if (in_callback) return 800;
    pthread_mutex_lock(&lock);
    graphs++;
    kernels++;
    end_spin();
    put(s, g->ns);
    pthread_mutex_unlock(&lock);
    return ends(0);
}
int cuGraphLaunch(graph *g, void *s) { return launch_graph(g, of(s, 0)); }
int cuGraphLaunch_ptsz(graph *g, void *s) { return launch_graph(g, of(s, 1)); }

/* A callback runs on a thread of its own, in the stream's order, and the stream waits for it. */
typedef struct call {
    void (*function)(void *);
    void *data;
    stream *s;
    int64_t due;
} call;
static void *call_back(void *at) {
    call c = *(call *)at;
    while (now() < c.due) rest();
    in_callback = 1;
    c.function(c.data);
    pthread_mutex_lock(&lock);
    /* What was launched behind it begins now. */
    int64_t late = now() - NEVER;
    for (int i = 0; i < event_count; i++)
        if (events[i]->on == c.s && events[i]->at >= NEVER) events[i]->at += late;
    c.s->until += late;
    pthread_mutex_unlock(&lock);
    free(at);
    return 0;
}
static int hold_up(stream *s, void (*function)(void *), void *data) {
    if (in_callback) return 800;
    call *c = malloc(sizeof *c);
    pthread_mutex_lock(&lock);
    *c = (call){function, data, s, s->until};
    s->until = NEVER;
    pthread_mutex_unlock(&lock);
    pthread_t thread;
    return pthread_create(&thread, 0, call_back, c);
}
int cuLaunchHostFunc(void *s, void (*function)(void *), void *data) { return hold_up(of(s, 0), function, data); }
int cuLaunchHostFunc_ptsz(void *s, void (*function)(void *), void *data) { return hold_up(of(s, 1), function, data); }

int cuLaunchHostFunc_v2(void *s, void (*function)(void *), void *data, unsigned mode) { return hold_up(of(s, 0), function, data); }
int cuLaunchHostFunc_v2_ptsz(void *s, void (*function)(void *), void *data, unsigned mode) { return hold_up(of(s, 1), function, data); }
/* One that is told its stream, and that all went well. */
typedef struct told {
    void (*function)(void *, int, void *);
    void *stream, *data;
} told;
static void tell(void *at) {
    told t = *(told *)at;
    free(at);
    t.function(t.stream, 0, t.data);
}
static int add_callback(stream *s, told t) {
    told *kept = malloc(sizeof *kept);
    return *kept = t, hold_up(s, tell, kept);
}
int cuStreamAddCallback(void *s, void (*function)(void *, int, void *), void *data, unsigned flags) {
    return add_callback(of(s, 0), (told){function, s, data});
}
int cuStreamAddCallback_ptsz(void *s, void (*function)(void *, int, void *), void *data, unsigned flags) {
    return add_callback(of(s, 1), (told){function, s, data});
}

/* A stream waits for a word as it waits for a function that looks at it. */
static void look(void *at) {
    while (!*(volatile unsigned *)at) rest();
}
/* A semaphore's handle is where its word is. */
int cuWaitExternalSemaphoresAsync(void **list, void *params, unsigned count, void *s) { return hold_up(of(s, 0), look, list[0]); }
int cuWaitExternalSemaphoresAsync_ptsz(void **list, void *params, unsigned count, void *s) { return hold_up(of(s, 1), look, list[0]); }
#define WAITS(name, type)                                                                                \
    int name(void *s, uint64_t at, type v, unsigned f) { return hold_up(of(s, 0), look, (void *)at); }      \
    int name##_ptsz(void *s, uint64_t at, type v, unsigned f) { return hold_up(of(s, 1), look, (void *)at); }
WAITS(cuStreamWaitValue32, unsigned)
WAITS(cuStreamWaitValue32_v2, unsigned)
WAITS(cuStreamWaitValue64, uint64_t)
WAITS(cuStreamWaitValue64_v2, uint64_t)
/* Of a list of operations the first is a wait. */
typedef struct part {
    uint64_t operation, address, rest[4];
} part;
#define BATCHES(name)                                                                                    \
    int name(void *s, unsigned n, part *p, unsigned f) { return hold_up(of(s, 0), look, (void *)p->address); } \
    int name##_ptsz(void *s, unsigned n, part *p, unsigned f) { return hold_up(of(s, 1), look, (void *)p->address); }
BATCHES(cuStreamBatchMemOp)
BATCHES(cuStreamBatchMemOp_v2)

int64_t standin_ahead_ns(void) {
    int64_t ahead = of(0, 0)->until - now();
    return ahead > 0 ? ahead : 0;
}

static void context_ends(void *context) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < event_count; i++)
        if (events[i]->ctx == context) events[i]->dead = 1;
    pthread_mutex_unlock(&lock);
}
#endif
