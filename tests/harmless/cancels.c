/* Cancels threads that wait inside the driver, reached through whatever dlsym gives: in a call that
   allocates and in one that synchronises, deferred and at once. The caller's clean-up must run and
   the thread must end as cancelled. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 100, WAITS = 4096 };
typedef int (*Alloc)(uint64_t *, size_t);
static Alloc allocate;
static int (*synchronize)(void), (*init)(unsigned), (*retain)(void **, int), (*set)(void *);
static int inside, handled, unwound;

static void handler(void *unused) {
    (void)unused;
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

/* Run by the unwinder, as a C++ destructor would be. */
static void leave(int *value) {
    (void)value;
    __atomic_add_fetch(&unwound, 1, __ATOMIC_SEQ_CST);
}

static void *wait_in_driver(void *which) {
    void *context = NULL;
    uint64_t pointer = 0;
    retain(&context, 0);
    set(context);
    pthread_cleanup_push(handler, NULL);
    __attribute__((cleanup(leave))) int value = 0;
    __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    if ((intptr_t)which % 2) allocate(&pointer, WAITS);
    else synchronize();
    pthread_cleanup_pop(0);
    return NULL;
}

int main(void) {
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (!driver) return puts(dlerror()), 1;
    init = dlsym(driver, "cuInit");
    retain = dlsym(driver, "cuDevicePrimaryCtxRetain");
    set = dlsym(driver, "cuCtxSetCurrent");
    allocate = (Alloc)dlsym(driver, "cuMemAlloc_v2");
    synchronize = dlsym(driver, "cuCtxSynchronize");
    printf("cuInit: %d\n", init(0));
    int cancelled = 0;
    for (intptr_t i = 0; i < ROUNDS; i++) {
        pthread_t thread;
        void *result = NULL;
        int before = __atomic_load_n(&inside, __ATOMIC_SEQ_CST);
        pthread_create(&thread, NULL, wait_in_driver, (void *)i);
        while (__atomic_load_n(&inside, __ATOMIC_SEQ_CST) == before) sched_yield();
        /* Half of them are most likely asleep in the driver, half still on the way. */
        if (i % 4 < 2) nanosleep(&(struct timespec){0, 2000000}, NULL);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        cancelled += result == PTHREAD_CANCELED;
    }
    printf("%d cancelled, %d handlers, %d frames unwound\n", cancelled, handled, unwound);
    uint64_t pointer = 0;
    printf("after it all: %d\n", allocate(&pointer, 1 << 20));
    return cancelled == ROUNDS ? 0 : 1;
}
