/* What the client knows: its places, its threads and their lines. */
#pragma once
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define PLACES 8
#define LINES 256
#define DEVICES 2
#define ROWS 96
#define SKIPPED (-1)
#define MIB (1ul << 20)
#define UNTOUCHED 0x7777

static void *cuda;
#define CALL(name, types, ...) (((int(*) types)dlsym(cuda, name))(__VA_ARGS__))

struct place {
    char kind[16];
    uint64_t handle, bytes, mapped;
    /* What goes with the handle: a graph and what it allocates, an array, an object. */
    uint64_t other, address;
    /* Whether the handle itself is still held, whether it is bound, and which rows of tiles are mapped. */
    int is_held, is_bound;
    /* A descriptor of the memory, above 0, and whether it is of the handle, and not of its addresses; another handle of
     * it, that it was imported by; and whether another process was given it. */
    int descriptor, is_of_handle, is_passed;
    uint64_t again;
    unsigned char rows[ROWS];
    /* The device that the memory lies on. */
    int device;
    void *context;
};

static struct thread {
    struct place places[PLACES];
    void *own;
} threads[THREADS];
static void *primary[DEVICES];
static struct place shared_pool[DEVICES], managed_pool[DEVICES];

/* The device of a thread's contexts. */
static int home(int thread) { return thread * DEVICES / THREADS; }

static struct line {
    int thread, place, result;
    char call[16];
    uint64_t a, b, address;
} lines[LINES];
static int count;

typedef struct {
    int kind, handles, where, id;
    unsigned char rest[72];
} properties;

#define IS(name) (!strcmp(line->call, name))
#define WAS(name) (!strcmp(at->kind, name))
