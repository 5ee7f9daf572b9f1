/* The driver, and what its clients say of themselves. */
#pragma once
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *cuda;
#define CALL(name, types, ...) (((int(*) types)dlsym(cuda, name))(__VA_ARGS__))

static void open_driver(void) {
    cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (cuda) return;
    printf("no driver: %s\n", dlerror());
    exit(9);
}

/* Stands still until the test has something to say, or ends. */
static void wait_for_the_test(void) {
    puts("waiting");
    fflush(stdout);
    char unused;
    if (read(0, &unused, 1) < 0) exit(8);
}

static void not_known(const char *command) {
    printf("unknown command %s\n", command);
    exit(9);
}
