/*
 * A program that makes graphs which allocate, and pools: it runs the commands that its arguments name and
 * prints one line for each, with what the driver answered. Places 0 to 63 hold graphs, graphs made ready,
 * pools and addresses, each by its own letter:
 *   graph=G                a graph          take=G,A,MIB,DEVICE   a node that allocates
 *   give=G,A               a node that frees                      child=G,H   H moves into G
 *   capture=G,A,MIB        what a stream is asked for becomes a graph
 *   make=E,G,FLAGS and make-v1, make-v2, make-with, make-with-ptsz        E is ready
 *   upload=E launch=E and both with -ptsz, update=E,G, update-v2=E,G, end=E, trim=DEVICE
 *   beside=E, beside-ptsz=E  another thread launches E, and joined says what it got
 *   race=N                 two threads launch 0 and 1 at once, N times: how often just one got it
 */
#define _GNU_SOURCE
#include "client/driver.h"
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#define MIB (1ull << 20)
#define UNTOUCHED 7

static uint64_t graphs[64], ready[64], addresses[64];
static void *stream, *contexts[2];

#include "client/taking.h"

static int start(int device) {
    int result = CALL("cuInit", (unsigned), 0);
    if (!result) result = CALL("cuDevicePrimaryCtxRetain", (void **, int), &contexts[device], device);
    if (!result) result = CALL("cuCtxSetCurrent", (void *), contexts[device]);
    return result ? result : CALL("cuStreamCreate", (void **, unsigned), &stream, 1);
}
static uint64_t in_use(void) {
    size_t free = 0, total = 0;
    CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
    return total - free;
}
static int number(int device, int which, uint64_t *value) {
    return CALL("cuDeviceGetGraphMemAttribute", (int, int, uint64_t *), device, which, value);
}
static int give(uint64_t graph, uint64_t at) {
    uint64_t nodes[64], node;
    size_t count = 64;
    CALL("cuGraphGetNodes", (uint64_t, uint64_t *, size_t *), graph, nodes, &count);
    return CALL("cuGraphAddMemFreeNode", (uint64_t *, uint64_t, void *, size_t, uint64_t), &node, graph,
                nodes, count, at);
}
static int child(uint64_t graph, uint64_t inner) {
    uint64_t node, p[33] = {4, 0, inner, 1};
    return CALL("cuGraphAddNode_v2", (uint64_t *, uint64_t, void *, void *, size_t, void *), &node,
                graph, 0, 0, 0, p);
}
static int capture(uint64_t *graph, uint64_t *at, uint64_t bytes) {
    int result = CALL("cuStreamBeginCapture_v2", (void *, int), stream, 0);
    if (!result) result = CALL("cuMemAllocAsync", (uint64_t *, size_t, void *), at, bytes, stream);
    int ended = CALL("cuStreamEndCapture", (void *, uint64_t *), stream, graph);
    return result ? result : ended;
}
static int make(const char *form, uint64_t *made, uint64_t graph, uint64_t flags) {
    struct {
        uint64_t flags;
        void *stream;
        uint64_t node;
        int result;
    } p = {flags, stream, 7, 7};
    if (strstr(form, "-v"))
        return CALL(strstr(form, "-v1") ? "cuGraphInstantiate" : "cuGraphInstantiate_v2",
                    (uint64_t *, uint64_t, void *, char *, size_t), made, graph, 0, 0, 0);
    if (!strstr(form, "-with"))
        return CALL("cuGraphInstantiateWithFlags", (uint64_t *, uint64_t, uint64_t), made, graph, flags);
    int result = CALL(strstr(form, "ptsz") ? "cuGraphInstantiateWithParams_ptsz"
                                           : "cuGraphInstantiateWithParams",
                      (uint64_t *, uint64_t, void *), made, graph, &p);
    if (p.flags != flags || p.node || p.result != (result ? 1 : 0)) printf("%s wrote\n", form);
    return result;
}

/* Launches one graph over and over, beside other threads with graphs of their own. */
static void *churn(void *unused) {
    void *own;
    uint64_t graph, made, at, other;
    CALL("cuCtxSetCurrent", (void *), contexts[0]);
    CALL("cuStreamCreate", (void **, unsigned), &own, 1);
    for (int i = 0; i < 200; i++) {
        CALL("cuGraphCreate", (uint64_t *, unsigned), &graph, 0);
        take(graph, &at, (1 + i % 30) * MIB, 0);
        give(graph, at);
        if (make("make", &made, graph, 0)) exit(7);
        for (int n = 0; n < 3; n++) CALL("cuGraphLaunch", (uint64_t, void *), made, own);
        if (!CALL("cuMemAlloc_v2", (uint64_t *, size_t), &other, 2 * MIB))
            CALL("cuMemFree_v2", (uint64_t), other);
        if (i % 16 == 0) CALL("cuDeviceGraphMemTrim", (int), 0);
        CALL("cuGraphExecDestroy", (uint64_t), made);
        CALL("cuGraphDestroy", (uint64_t), graph);
    }
    return 0;
}

/* Launches a graph in a thread of its own. */
static pthread_t thread_beside;
static const char *form_beside;
static void *launches(void *made) {
    CALL("cuCtxSetCurrent", (void *), contexts[0]);
    return (void *)(intptr_t)CALL(form_beside, (uint64_t, void *), *(uint64_t *)made, stream);
}
static int begin_beside(const char *form, uint64_t which) {
    form_beside = form;
    return pthread_create(&thread_beside, 0, launches, &ready[which]);
}
static int joined(void) {
    void *got;
    pthread_join(thread_beside, &got);
    return (int)(intptr_t)got;
}

/* Launches graph 0 or 1 when the other thread does. */
static pthread_barrier_t start_line;
static void *races(void *made) {
    void *own;
    CALL("cuCtxSetCurrent", (void *), contexts[0]);
    CALL("cuStreamCreate", (void **, unsigned), &own, 1);
    pthread_barrier_wait(&start_line);
    int got = CALL("cuGraphLaunch", (uint64_t, void *), *(uint64_t *)made, own);
    CALL("cuStreamSynchronize", (void *), own);
    return (void *)(intptr_t)got;
}
/* What the winner has is given back before the next race. */
static int race(uint64_t rounds) {
    int decided = 0;
    pthread_barrier_init(&start_line, 0, 2);
    while (rounds--) {
        pthread_t threads[2];
        void *got[2];
        for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, races, &ready[i]);
        for (int i = 0; i < 2; i++) pthread_join(threads[i], &got[i]);
        decided += (!got[0] && got[1] == (void *)2) || (!got[1] && got[0] == (void *)2);
        for (int i = 0; i < 2; i++)
            if (!got[i]) CALL("cuMemFree_v2", (uint64_t), addresses[i]);
        CALL("cuDeviceGraphMemTrim", (int), 0);
    }
    return decided;
}

static void run(char *text) {
    char command[32] = {0};
    uint64_t a = 0, b = 0, c = 0, d = 0;
    int result = 0;
    sscanf(text, "%31[^=]=%lu,%lu,%lu,%lu", command, &a, &b, &c, &d);
    const char *variant = strstr(command, "-ptsz") ? "_ptsz" : "";
    char name[64];
#define IS(name) (!strcmp(command, name))
#define BEGINS(name) (!strncmp(command, name, strlen(name)))
    if (IS("start"))
        result = start((int)a);
    else if (IS("stop"))
        result = CALL("cuDevicePrimaryCtxReset_v2", (int), (int)a);
    else if (IS("graph"))
        result = CALL("cuGraphCreate", (uint64_t *, unsigned), &graphs[a], 0);
    else if (IS("graph-end"))
        result = CALL("cuGraphDestroy", (uint64_t), graphs[a]);
    else if (IS("take"))
        result = take(graphs[a], &addresses[b], c * MIB, (int)d);
    else if (IS("give"))
        result = give(graphs[a], addresses[b]);
    else if (IS("empties"))
        for (uint64_t node; b && !result; b--)
            result = CALL("cuGraphAddEmptyNode", (uint64_t *, uint64_t, void *, size_t), &node, graphs[a],
                          0, 0);
    else if (IS("record")) {
        /* A recording of an event, and a wait for it. */
        uint64_t event, nodes[2];
        result = CALL("cuEventCreate", (uint64_t *, unsigned), &event, 0);
        if (!result)
            result = CALL("cuGraphAddEventRecordNode", (uint64_t *, uint64_t, void *, size_t, uint64_t), &nodes[0],
                          graphs[a], 0, 0, event);
        if (!result)
            result = CALL("cuGraphAddEventWaitNode", (uint64_t *, uint64_t, void *, size_t, uint64_t), &nodes[1],
                          graphs[a], nodes, 1, event);
    } else if (IS("child"))
        result = child(graphs[a], graphs[b]);
    else if (IS("capture"))
        result = capture(&graphs[a], &addresses[b], c * MIB);
    else if (BEGINS("make")) {
        ready[a] = UNTOUCHED;
        result = make(command, &ready[a], graphs[b], c);
        if (result && ready[a] != UNTOUCHED) printf("%s wrote\n", text);
    } else if (BEGINS("upload") || BEGINS("launch")) {
        snprintf(name, sizeof name, "cuGraph%s%s", BEGINS("upload") ? "Upload" : "Launch", variant);
        result = CALL(name, (uint64_t, void *), ready[a], b ? 0 : stream);
    } else if (IS("captured-launch")) {
        uint64_t graph;
        CALL("cuStreamBeginCapture_v2", (void *, int), stream, 0);
        result = CALL("cuGraphLaunch", (uint64_t, void *), ready[a], stream);
        CALL("cuStreamEndCapture", (void *, uint64_t *), stream, &graph);
    } else if (IS("update")) {
        uint64_t node;
        int why;
        result = CALL("cuGraphExecUpdate", (uint64_t, uint64_t, uint64_t *, int *), ready[a], graphs[b],
                      &node, &why);
    } else if (IS("update-v2")) {
        uint64_t outcome[3];
        result = CALL("cuGraphExecUpdate_v2", (uint64_t, uint64_t, void *), ready[a], graphs[b], outcome);
    } else if (IS("end"))
        result = CALL("cuGraphExecDestroy", (uint64_t), ready[a]);
    else if (BEGINS("beside"))
        result = begin_beside(*variant ? "cuGraphLaunch_ptsz" : "cuGraphLaunch", a);
    else if (IS("joined"))
        result = joined();
    else if (IS("race"))
        result = race(a);
    else if (IS("rival"))
        result = CALL("standin_rival", (void), );
    else if (IS("trim"))
        result = CALL("cuDeviceGraphMemTrim", (int), (int)a);
    else if (IS("alloc"))
        result = CALL("cuMemAlloc_v2", (uint64_t *, size_t), &addresses[a], b * MIB);
    else if (IS("free"))
        result = CALL("cuMemFree_v2", (uint64_t), addresses[a]);
    else if (IS("free-async"))
        result = CALL("cuMemFreeAsync", (uint64_t, void *), addresses[a], stream);
    else if (IS("current"))
        result = CALL("cuCtxSetCurrent", (void *), contexts[a]);
    else if (IS("no-current"))
        result = CALL("cuCtxSetCurrent", (void *), 0);
    else if (IS("lend"))
        result = CALL("cuMemAllocAsync", (uint64_t *, size_t, void *), &addresses[a], b * MIB, stream);
    else if (IS("sync"))
        result = CALL("cuStreamSynchronize", (void *), stream);
    else if (IS("sync-ptsz"))
        result = CALL("cuStreamSynchronize_ptsz", (void *), stream);
    else if (IS("sync-context"))
        result = CALL("cuCtxSynchronize", (void));
    else if (IS("sync-event")) {
        void *event;
        result = CALL("cuEventCreate", (void **, unsigned), &event, 0);
        if (!result) result = CALL("cuEventRecord", (void *, void *), event, stream);
        if (!result) result = CALL("cuEventSynchronize", (void *), event);
    } else if (IS("reserved")) {
        uint64_t value = 0;
        number((int)a, 2, &value);
        result = (int)(value / MIB);
    } else if (IS("living")) {
        uint64_t (*living)(void) = (uint64_t(*)(void))dlsym(cuda, "standin_living");
        result = (int)(living() / MIB);
    } else if (IS("used")) {
        printf("%s %.3f\n", text, in_use() / (double)MIB);
        return;
    } else if (IS("threads")) {
        pthread_t threads[16];
        for (uint64_t i = 0; i < a; i++) pthread_create(&threads[i], 0, churn, 0);
        for (uint64_t i = 0; i < a; i++) pthread_join(threads[i], 0);
    } else if (IS("wait")) {
        wait_for_the_test();
        return;
    } else not_known(text);
    printf("%s %d\n", text, result);
    fflush(stdout);
}

int main(int count, char **arguments) {
    open_driver();
    for (int i = 1; i < count; i++) run(arguments[i]);
    puts("end");
    return 0;
}
