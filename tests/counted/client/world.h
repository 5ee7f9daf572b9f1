/* What the client knows: places for what it is given, and its commands. */
#pragma once
#define _GNU_SOURCE
#include "driver.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MIB (1ull << 20)
#define UNTOUCHED 7

static uint64_t place[4096];
/* Handles for other nodes, of 64 bytes at no certain alignment. */
static char fabric[8][65];
static void *context;

/* A command of the program's arguments: its name and what stands behind it, and what came of it. */
struct word {
    char *text, command[32];
    uint64_t a, b, c;
    int result;
};
#define IS(name) (!strcmp(command, name))
/* What a family of commands says of a word: it is none of its own, its result is to be printed, or was. */
enum { NOT_MINE, SAID, SILENT };

static uint64_t in_use(void) {
    size_t free = 0, total = 0;
    CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
    return total - free;
}

/* A thread that comes back from its call of the driver later than another one goes there. */
static pthread_t slow_thread;
static void slow_begin(uint64_t bytes, void *(*call)(void *), void *of) {
    CALL("standin_slow", (size_t, int), bytes, 0);
    pthread_create(&slow_thread, 0, call, of);
    while (!CALL("standin_is_held", (void))) sched_yield();
}
static int slow_end(void) {
    void *result;
    CALL("standin_slow", (size_t, int), 0, 0);
    pthread_join(slow_thread, &result);
    return (int)(intptr_t)result;
}
