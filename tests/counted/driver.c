/*
 * The stand-in driver of the shim's tests, and memory that its users take in other ways: counted by
 * what lives, so that a test can compare. One process, one lock, no error that a test does not ask
 * for.
 */
static int free_buffer(unsigned long address);
#define FREE_OTHER free_buffer
static int come_back(unsigned long bytes, int result);
/* In the slow table a context that begins has this size, who is told whether the primary one lives that, one that
 * ends the third, one that loses a reference the fourth, who asks for an event the fifth, and who makes one the sixth. */
#define CONTEXT 1
#define STATE 2
#define END 3
#define DETACH 4
#define QUERY 5
#define EVENT 6
#define CONTEXT_BEGINS() come_back(CONTEXT, 0)
#define CONTEXT_ENDS(ctx) come_back(END, 0)
#define STATE_TOLD() come_back(STATE, 0)
static int is_mute;
#define RETAIN_FAILS is_mute
#include "../shim/driver.c"

#ifndef NVML
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t living;

/* For tests: bytes that live on the cards, beside linear memory. */
uint64_t standin_living(void) { return living; }

#define LOCKED(body)                                                                               \
    pthread_mutex_lock(&lock);                                                                     \
    int result = body;                                                                             \
    pthread_mutex_unlock(&lock);                                                                   \
    return result

/* Compiled with -finstrument-functions, a thread waits for its cancellation in the n-th call that it
 * makes from outside, as it would in a system call of a real driver: at its beginning, or, for n above
 * 100, at its end. For n above 200 it goes on from there, and ends in whatever it comes to next. */
#define UNSEEN __attribute__((no_instrument_function))
static __thread int depth, begins_left, ends_left, goes_on;
static int waiting;
UNSEEN int standin_arm(int n) {
    begins_left = n > 100 ? 0 : n;
    ends_left = n > 100 ? n % 100 : 0;
    goes_on = n > 200;
    return depth = 0;
}
UNSEEN int standin_waiting(void) { return __atomic_load_n(&waiting, __ATOMIC_SEQ_CST); }
UNSEEN static void count_down(int *left) {
    if (depth || !*left || --*left) return;
    if (goes_on) pthread_cancel(pthread_self());
    __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
    while (!goes_on) poll(0, 0, -1);
}
UNSEEN void __cyg_profile_func_enter(void *function, void *caller) {
    count_down(&begins_left);
    depth++;
}
UNSEEN void __cyg_profile_func_exit(void *function, void *caller) {
    depth--;
    count_down(&ends_left);
}

#include "driver/contexts.c"
#include "driver/vmm.c"
#include "driver/bindings.c"
#include "driver/pools.c"
#include "driver/arrays.c"

/* A limit of this size is set, or refused, and its caller comes back when another thread says so. So does
 * the first that unmaps so much, that makes or ends a context, or that asks whether the primary one lives. */
static _Atomic size_t slow;
static _Atomic int slow_result, is_held;

void standin_slow(size_t bytes, int result) {
    slow_result = result;
    is_held = 0;
    slow = bytes;
}

int standin_is_held(void) { return is_held; }

static int come_back(unsigned long bytes, int result) {
    int nobody = 0;
    if (bytes == slow && atomic_compare_exchange_strong(&is_held, &nobody, 1))
        while (slow) sched_yield();
    return result;
}

/* Of what is asked for 1 GiB is left. */
static size_t limits[7];
int cuCtxSetLimit(int limit, size_t bytes) {
    if (!current) return 201;
    if (limit > 6 || refuses()) return 1;
    if (!slow_result || bytes != slow) limits[limit] = bytes < 1 << 30 ? bytes : 1 << 30;
    if (bytes && bytes == slow) {
        is_held = 1;
        while (slow) sched_yield();
        return slow_result;
    }
    return 0;
}
int cuCtxGetLimit(size_t *bytes, int limit) {
    if (!current) return 201;
    *bytes = limits[limit];
    return 0;
}

#include "driver/imports.c"
#include "driver/code.c"
#include "driver/graphs.c"
#endif
