/* Pools and what they lend. */
#pragma once
#include "contexts.h"

/* Streams of both kinds: in names that end so, no stream means the thread's own. */
static int lend(uint64_t *at, uint64_t bytes, const char *variant) {
    char name[64] = "cuMemAllocAsync";
    strcat(name, variant);
    return CALL(name, (uint64_t *, size_t, void *), at, bytes, 0);
}

static int lend_of(uint64_t *at, uint64_t bytes, uint64_t pool, const char *variant) {
    char name[64] = "cuMemAllocFromPoolAsync";
    strcat(name, variant);
    return CALL(name, (uint64_t *, size_t, void *, void *), at, bytes, (void *)pool, 0);
}

static int give(uint64_t at, const char *variant) {
    char name[64] = "cuMemFreeAsync";
    strcat(name, variant);
    return CALL(name, (uint64_t, void *), at, 0);
}

static int pool(uint64_t *pool, int kind, int where, int device) {
    struct {
        int kind, handles, where, id;
        unsigned char rest[72];
    } p = {kind, 0, where, device};
    return CALL("cuMemPoolCreate", (uint64_t *, void *), pool, &p);
}

static void *churn_pool(void *unused) {
    CALL("cuCtxSetCurrent", (void *), context);
    for (int i = 0; i < 2000; i++) {
        uint64_t at, more;
        int got = lend(&at, (1 + i % 40) * MIB, ""), also = lend(&more, MIB, "_ptsz");
        if (!got) give(at, "");
        if (!also) give(more, "");
        if (i % 64 == 0) CALL("cuMemPoolTrimTo", (uint64_t, size_t), 0x2000, 0);
    }
    return 0;
}

/* Asks what is used, and with it for the numbers of the pools that are known. */
static pthread_t asking_thread;
static void *ask_used(void *unused) {
    CALL("cuCtxSetCurrent", (void *), context);
    in_use();
    return 0;
}

/* Asks for more than there is of anything, and has the pools trimmed before. */
static void *ask_too_much(void *unused) {
    uint64_t at;
    CALL("cuCtxSetCurrent", (void *), context);
    CALL("cuMemAlloc_v2", (uint64_t *, size_t), &at, 64 * 1024 * MIB);
    return 0;
}

static void *slow_give(void *at) {
    CALL("cuCtxSetCurrent", (void *), context);
    return (void *)(intptr_t)give((uint64_t)at, "");
}

static int pools_word(struct word *word) {
    char *text = word->text;
    const char *command = word->command;
    uint64_t a = word->a, b = word->b, c = word->c;
    int result = 0;
    if (IS("pools")) {
        for (uint64_t i = 0; i < a && !result; i++) result = pool(&place[1000 + i], 1, 1, 0);
    } else if (IS("pool-threads")) {
        pthread_t threads[16];
        for (uint64_t i = 0; i < a; i++) pthread_create(&threads[i], 0, churn_pool, 0);
        for (uint64_t i = 0; i < a; i++) pthread_join(threads[i], 0);
    } else if (IS("pool-at")) {
        /* pool-at=place,kind of memory,kind of location,number */
        unsigned id = 0;
        sscanf(text, "%*[^=]=%*u,%*u,%*u,%u", &id);
        result = pool(&place[a], (int)b, (int)c, (int)id);
    } else if (IS("lend") || IS("lend-ptsz") || IS("lend-of") || IS("lend-of-ptsz")) {
        const char *variant = strstr(command, "ptsz") ? "_ptsz" : "";
        place[a] = UNTOUCHED;
        result = strstr(command, "of") ? lend_of(&place[a], b * MIB, place[c], variant)
                                       : lend(&place[a], b * MIB, variant);
        if (result && place[a] != UNTOUCHED) printf("%s wrote\n", text);
    } else if (IS("lend-nulls"))
        result = lend(0, MIB, "") * 10 + lend(&place[a], 0, "");
    else if (IS("give") || IS("give-ptsz"))
        result = give(place[a], IS("give") ? "" : "_ptsz");
    else if (IS("give-in"))
        /* give-in=a,n: in a stream of its own. */
        result = CALL("cuMemFreeAsync", (uint64_t, void *), place[a], (void *)(0x500000 + b * 16));
    else if (IS("stream-end"))
        result = CALL("cuStreamDestroy_v2", (void *), (void *)(0x500000 + a * 16));
    else if (IS("give-late")) {
        /* give-late=a,b,MiB: while a thread frees a, as it is about to note when that will have been, b is taken. */
        slow_begin(6, slow_give, (void *)place[a]);
        result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &place[b], c * MIB);
        result = result * 10 + slow_end();
    } else if (IS("give-beside")) {
        /* give-beside=a: a thread frees a while another releases the primary context, which others keep, and takes long. */
        pthread_t thread;
        slow_begin(2, slow_release, 0);
        pthread_create(&thread, 0, slow_give, (void *)place[a]);
        usleep(200 * 1000);
        result = slow_end();
        pthread_join(thread, 0);
    } else if (IS("pool"))
        result = pool(&place[a], 1, 1, (int)b);
    else if (IS("racing"))
        CALL("standin_race", (int), (int)a);
    else if (IS("raced"))
        result = CALL("standin_raced", (void));
    else if (IS("ask-slowly") || IS("trim-slowly")) {
        /* The second for longer than anybody is waited for. */
        int is_trim = IS("trim-slowly");
        CALL("standin_linger", (int), is_trim ? 3000 : 50);
        pthread_create(&asking_thread, 0, is_trim ? ask_too_much : ask_used, 0);
        while (!CALL("standin_is_lingering", (void))) sched_yield();
    } else if (IS("found-ended")) {
        pthread_join(asking_thread, 0);
        result = CALL("standin_found_ended", (void));
    } else if (IS("trims-itself"))
        result = CALL("standin_trims", (uint64_t), place[a]);
    else if (IS("capture"))
        CALL("standin_capture", (int), (int)a);
    else if (IS("broken"))
        result = CALL("standin_broken", (void));
    else if (IS("mode")) {
        int mode = (int)a;
        CALL("cuThreadExchangeStreamCaptureMode", (int *), &mode);
        result = mode;
    } else if (IS("pool-managed"))
        result = pool(&place[a], 2, 0, 0);
    else if (IS("pool-of-host"))
        result = pool(&place[a], 1, 2, 0);
    else if (IS("set-pool"))
        result = CALL("cuDeviceSetMemPool", (int, uint64_t), 0, place[a]);
    else if (IS("set-pool-of")) {
        int here[2] = {1, 0};
        result = CALL("cuMemSetMemPool", (void *, int, uint64_t), here, 1, place[a]);
    } else if (IS("get-pool-of")) {
        int here[2] = {(int)c, 0};
        result = CALL("cuMemGetMemPool", (uint64_t *, void *, int), &place[a], here, (int)b);
    } else if (IS("default-pool-of")) {
        int here[2] = {(int)c, 0};
        result = CALL("cuMemGetDefaultMemPool", (uint64_t *, void *, int), &place[a], here, (int)b);
    } else if (IS("default-pool"))
        result = CALL("cuDeviceGetDefaultMemPool", (uint64_t *, int), &place[a], 0);
    else if (IS("pool-end"))
        result = CALL("cuMemPoolDestroy", (uint64_t), place[a]);
    else if (IS("trim"))
        result = CALL("cuMemPoolTrimTo", (uint64_t, size_t), place[a], b * MIB);
    else
        return NOT_MINE;
    word->result = result;
    return SAID;
}
