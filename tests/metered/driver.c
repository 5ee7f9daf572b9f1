/*
 * The stand-in driver of the meter's tests: cards on which time passes. A function's handle says how long
 * its kernel runs; streams run beside each other; events, captures, graphs and callbacks obey CUDA's rules,
 * and whoever breaks one is counted: an event in a captured stream, a call that breaks a capture, an event
 * of a context that is gone.
 */
static void context_ends(void *context);
#define CONTEXT_ENDS(context) context_ends(context)
static void releases(void);
#define RELEASES() releases()
static int ends_fail;
#define END_FAILS (releases(), ends_fail)
static void *new_context(void);
static void free_context(void *context);
#define NEW_CONTEXT new_context
#define FREE_CONTEXT free_context
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
EXPORT uint64_t standin_events(void) { return event_count; }
/* From now on no context ends. */
EXPORT uint64_t standin_no_ends(void) { return ends_fail = 1; }
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
/* The same in the next release of a primary context, or as a context is to end. */
static __thread int releases_last;
EXPORT void standin_cancel_release(int is_on) { releases_last = is_on; }
static void releases(void) {
    if (releases_last) cancelled();
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

#include "driver/work.c"

int cuStreamCreate(stream **s, unsigned flags) {
    if (!current) return 201;
    *s = calloc(1, sizeof **s);
    (*s)->ctx = current;
    return 0;
}
/* Its capture ends with it. */
static int end(stream *s, graph **g);
int cuStreamDestroy_v2(stream *s) {
    graph *unused;
    end(s, &unused);
    return 0;
}
int cuStreamDestroy(stream *s) { return cuStreamDestroy_v2(s); }
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
static int has_ended(stream *s) {
    pthread_mutex_lock(&lock);
    int result = now() >= s->until ? 0 : 600;
    pthread_mutex_unlock(&lock);
    return result;
}
int cuStreamQuery(void *s) { return has_ended(of(s, 0)); }
int cuStreamQuery_ptsz(void *s) { return has_ended(of(s, 1)); }
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
#include "driver/captures.c"
#include "driver/waits.c"

int64_t standin_ahead_ns(void) {
    int64_t ahead = of(0, 0)->until - now();
    return ahead > 0 ? ahead : 0;
}

static void context_ends(void *context) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < event_count; i++)
        if (events[i]->ctx == context) events[i]->dead = 1;
    pthread_mutex_unlock(&lock);
    /* Its memory and all that goes with it take a while. */
    usleep(1000);
}

/* 1: whoever ends a context comes back from the driver when it is told, and its handle is given to the next one
 * before; 2: it is held. */
static volatile int reuses;
static void *volatile unused;
EXPORT int standin_reuses(int reuse) { return reuse < 0 ? reuses : (reuses = reuse); }
static void free_context(void *context) {
    if (!reuses) return free(context);
    unused = context;
    for (reuses = 2; reuses;) rest();
}
static void *new_context(void) {
    void *used = unused;
    unused = 0;
    return used ? used : malloc(sizeof(context));
}
#endif
