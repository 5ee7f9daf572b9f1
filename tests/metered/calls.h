/* How the clients here speak to the driver, as programs do: through dlopen and dlsym. */
#pragma once
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void *cuda;
static void *find(const char *name) {
    void *at = dlsym(cuda, name);
    if (!at) fprintf(stderr, "no %s\n", name), exit(2);
    return at;
}
#define CALL(name, types, ...) (((int (*) types)find(name))(__VA_ARGS__))

/* A clock, in nanoseconds. */
static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}
