/*
 * Uses the driver before main begins and after exit handlers have, and says each time what it got of 2 MiB and
 * of more than the share has.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void *cuda;
#define CALL(name, types, ...) (((int(*) types)dlsym(cuda, name))(__VA_ARGS__))

static void tell(const char *when) {
    uint64_t some = 0, all = 0;
    int fits = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &some, 2 << 20);
    int exceeds = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &all, 1ul << 40);
    int given = CALL("cuMemFree_v2", (uint64_t), some);
    printf("%s %d %d %d\n", when, fits, exceeds, given);
}

__attribute__((constructor)) static void before_main(void) {
    void *context;
    cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (!cuda || CALL("cuInit", (unsigned), 0)) _Exit(9);
    if (CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, 0)) _Exit(8);
    CALL("cuCtxSetCurrent", (void *), context);
    tell("before");
}

__attribute__((destructor)) static void behind_handlers(void) { tell("behind"); }
static void at_exit(void) { tell("exit"); }

int main(void) {
    atexit(at_exit);
    tell("main");
    return 7;
}
