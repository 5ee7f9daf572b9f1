/* The driver's calls that chain.c makes, in short words: what one of them answers that is no 0 is remembered. */
#pragma once
#include "calls.h"

static void *context, *module;
static int wrong_at;
static void must(int result, int line) {
    if (result && !wrong_at) fprintf(stderr, "line %d: error %d\n", line, result), wrong_at = line;
}
#define DO(name, types, ...) must(CALL(name, types, __VA_ARGS__), __LINE__)

static void open_driver(void) {
    cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (!cuda) fprintf(stderr, "%s\n", dlerror()), exit(2);
    DO("cuInit", (unsigned), 0);
    DO("cuDevicePrimaryCtxRetain", (void **, int), &context, 0);
    DO("cuCtxSetCurrent", (void *), context);
    DO("cuModuleLoadData", (void **, const void *), &module, "any image");
}
static void *kernel(const char *name) {
    void *function = 0;
    DO("cuModuleGetFunction", (void **, void *, const char *), &function, module, name);
    return function;
}
#define WORK kernel("spin_us_2000")
static int put_with(const char *how, void *function, void *s, void *parameter) {
    void *parameters[1] = {&parameter};
    return CALL(how, (void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **),
                function, 1, 1, 1, 1, 1, 1, 0, s, parameters, 0);
}
#define PUT(function, s, parameter) must(put_with("cuLaunchKernel", function, s, (void *)(parameter)), __LINE__)
static void *stream(unsigned flags) {
    void *s = 0;
    DO("cuStreamCreate", (void **, unsigned), &s, flags);
    return s;
}
static void *event(unsigned flags) {
    void *e = 0;
    DO("cuEventCreate", (void **, unsigned), &e, flags);
    return e;
}
static void record(void *e, void *s) { DO("cuEventRecord", (void *, void *), e, s); }
static void follow(void *s, void *e) { DO("cuStreamWaitEvent", (void *, void *, unsigned), s, e, 0); }
static void all_done(void) { DO("cuCtxSynchronize", (void)); }
static uint64_t word(void) {
    uint64_t at = 0;
    DO("cuMemAlloc_v2", (uint64_t *, size_t), &at, 4096);
    DO("cuMemsetD32_v2", (uint64_t, unsigned, size_t), at, 0, 1024);
    all_done();
    return at;
}
