/* Contexts and the sizes that a program sets in them. */
#pragma once
#include "world.h"

static void *slow_limit(void *mib) {
    CALL("cuCtxSetCurrent", (void *), context);
    CALL("cuCtxSetLimit", (int, size_t), 2, (size_t)mib * MIB);
    return 0;
}

/* One thread sets the heap, and another does while the first is on its way back from the driver. */
static int race(uint64_t first_mib, uint64_t second_mib, int first_result) {
    void (*slow)(size_t, int) = (void (*)(size_t, int))dlsym(cuda, "standin_slow");
    int (*is_held)(void) = (int (*)(void))dlsym(cuda, "standin_is_held");
    pthread_t thread;
    slow(first_mib * MIB, first_result);
    pthread_create(&thread, 0, slow_limit, (void *)first_mib);
    while (!is_held()) sched_yield();
    int result = CALL("cuCtxSetLimit", (int, size_t), 2, second_mib * MIB);
    slow(0, first_result);
    pthread_join(thread, 0);
    return result;
}

/* A process that is restored: without arguments, without pairs of GPUs, on the same, or on another GPU. */
static int restore(uint64_t way) {
    char pairs[2][2][16] = {{{1}, {1}}, {{2}, {way < 3 ? 2 : 3}}};
    uint64_t args[8] = {(uintptr_t)pairs, way < 2 ? 0 : 2};
    return CALL("cuCheckpointProcessRestore", (int, void *), 77, way ? args : 0);
}

static void *slow_create(void *made) {
    return (void *)(intptr_t)CALL("cuCtxCreate_v2", (void *, unsigned, int), made, 0, 0);
}

static void *slow_release(void *none) {
    (void)none;
    return (void *)(intptr_t)CALL("cuDevicePrimaryCtxRelease_v2", (int), 0);
}

static void *slow_reset(void *none) {
    (void)none;
    return (void *)(intptr_t)CALL("cuDevicePrimaryCtxReset_v2", (int), 0);
}

static void *slow_detach(void *of) { return (void *)(intptr_t)CALL("cuCtxDetach", (void *), of); }

static void *slow_destroy(void *of) { return (void *)(intptr_t)CALL("cuCtxDestroy_v2", (void *), of); }

static void *slow_question(void *none) {
    CALL("cuCtxSetCurrent", (void *), context);
    in_use();
    return none;
}

static void *slow_retain(void *made) {
    return (void *)(intptr_t)CALL("cuDevicePrimaryCtxRetain", (void *, int), made, 0);
}

/* Contexts begin and end, with what was allocated in them, often as the only ones there are. */
static void *churn_contexts(void *wrong) {
    for (int i = 0; i < 500; i++) {
        void *made;
        uint64_t at;
        if (CALL("cuCtxCreate_v2", (void **, unsigned, int), &made, 0, 0)) continue;
        CALL("cuMemAlloc_v2", (uint64_t *, size_t), &at, 2 * MIB);
        if (in_use() < 257 * MIB) __atomic_add_fetch((int *)wrong, 1, __ATOMIC_SEQ_CST);
        CALL("cuCtxDestroy_v2", (void *), made);
    }
    return 0;
}

static int contexts_word(struct word *word) {
    const char *command = word->command;
    uint64_t a = word->a, b = word->b, c = word->c;
    int result = 0;
    if (IS("start")) {
        result = CALL("cuInit", (unsigned), 0);
        if (!result) result = CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, 0);
        if (!result) result = CALL("cuCtxSetCurrent", (void *), context);
    } else if (IS("stop"))
        result = CALL("cuDevicePrimaryCtxRelease_v2", (int), 0);
    else if (IS("start-there")) {
        result = CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, 1);
        CALL("cuCtxSetCurrent", (void *), context);
    } else if (IS("context-late")) {
        /* As a context begins, the only other one ends. */
        void *first = 0;
        CALL("cuCtxCreate_v2", (void **, unsigned, int), &first, 0, 0);
        slow_begin(1, slow_create, &context);
        result = CALL("cuCtxDestroy_v2", (void *), first);
        result = result * 10 + slow_end();
        CALL("cuCtxSetCurrent", (void *), context);
    } else if (IS("primary-late")) {
        /* As it begins, another thread asks for it too. */
        void *again;
        slow_begin(1, slow_retain, &context);
        result = CALL("cuDevicePrimaryCtxRetain", (void **, int), &again, 0);
        result = result * 10 + slow_end();
        CALL("cuCtxSetCurrent", (void *), context);
    } else if (IS("primary-again")) {
        /* It has ended, as the shim was told, and is there again before the shim has heard. */
        slow_begin(2, slow_release, 0);
        result = CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, 0);
        CALL("cuCtxSetCurrent", (void *), context);
        if (!result) result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &place[0], 10 * MIB);
        result = result * 10 + slow_end();
    } else if (IS("reset-late")) {
        /* While one resets the primary context, another thread gives the last reference back. */
        slow_begin(3, slow_reset, 0);
        result = CALL("cuDevicePrimaryCtxRelease_v2", (int), 0);
        result = result * 10 + slow_end();
    } else if (IS("detach-late")) {
        /* Of two threads that detach from a context with two references, the second has the last. */
        void *made;
        CALL("cuCtxCreate_v2", (void **, unsigned, int), &made, 0, 0);
        CALL("cuCtxAttach", (void **, unsigned), &made, 0);
        slow_begin(4, slow_detach, made);
        result = CALL("cuCtxDetach", (void *), made);
        result = result * 10 + slow_end();
        CALL("cuCtxSetCurrent", (void *), context);
    } else if (IS("query-late")) {
        /* While a thread asks whether a stream of a context has come past something, that ends. */
        slow_begin(5, slow_question, 0);
        result = CALL("cuCtxDestroy_v2", (uint64_t), place[a]);
        result = result * 10 + slow_end();
        CALL("cuCtxSetCurrent", (void *), context);
    } else if (IS("destroy-late")) {
        /* While a context ends, another thread asks what is used: how often the driver was asked about its events. */
        CALL("cuCtxSetCurrent", (void *), context);
        int before = CALL("standin_queries", (void));
        slow_begin(3, slow_destroy, (void *)place[a]);
        in_use();
        result = CALL("standin_queries", (void)) - before;
        result = result * 1000 + slow_end();
    } else if (IS("restore"))
        result = restore(a);
    else if (IS("pending"))
        CALL("standin_pending", (int), (int)a);
    else if (IS("queries"))
        result = CALL("standin_queries", (void));
    else if (IS("events"))
        result = CALL("standin_events", (void));
    else if (IS("context-threads")) {
        pthread_t threads[16];
        for (uint64_t i = 0; i < a; i++) pthread_create(&threads[i], 0, churn_contexts, &result);
        for (uint64_t i = 0; i < a; i++) pthread_join(threads[i], 0);
    } else if (IS("current") || IS("no-current"))
        result = CALL("cuCtxSetCurrent", (void *), IS("current") ? context : 0);
    else if (!strncmp(command, "cuVDPAU", 7))
        result = CALL(command, (uint64_t *, unsigned, int, unsigned, void *), &place[a], 0, 0, 1, 0);
    else if (IS("context"))
        result = CALL("cuCtxCreate_v2", (uint64_t *, unsigned, int), &place[a], 0, 0);
    else if (IS("use")) {
        context = (void *)place[a];
        result = CALL("cuCtxSetCurrent", (void *), context);
    } else if (IS("attach"))
        result = CALL("cuCtxAttach", (uint64_t *, unsigned), &place[a], 0);
    else if (IS("detach"))
        result = CALL("cuCtxDetach", (uint64_t), place[a]);
    else if (IS("primary"))
        result = CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, 0);
    else if (IS("reset"))
        result = CALL("cuDevicePrimaryCtxReset_v2", (int), 0);
    else if (IS("mute"))
        CALL("standin_mute", (int), (int)a);
    else if (IS("green"))
        result = CALL("cuGreenCtxCreate", (uint64_t *, void *, int, unsigned), &place[a], 0, 0, 1);
    else if (IS("use-green")) {
        CALL("cuCtxFromGreenCtx", (void **, uint64_t), &context, place[a]);
        result = CALL("cuCtxSetCurrent", (void *), context);
    } else if (IS("green-end"))
        result = CALL("cuGreenCtxDestroy", (uint64_t), place[a]);
    else if (IS("context-end"))
        result = CALL("cuCtxDestroy_v2", (uint64_t), place[a]);
    else if (IS("limit")) {
        result = CALL("cuCtxSetLimit", (int, size_t), (int)a, b * MIB);
    } else if (IS("race")) {
        result = race(a, b, (int)c);
    } else
        return NOT_MINE;
    word->result = result;
    return SAID;
}
