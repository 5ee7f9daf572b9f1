/*
 * What programs do that could come to a standstill where launches wait, on a driver that keeps CUDA's order of
 * work: the simulated one, or a real one. Each word is one such thing; it prints the word, 0 where all came out
 * right, and how many milliseconds it took. Kernels are named for what they do on the simulated card.
 */
#define _GNU_SOURCE
#include "chain.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Two streams, each of which waits for the other's last work, again and again. */
static void streams(void) {
    void *s[2] = {stream(1), stream(1)}, *e[2] = {event(2), event(2)}, *f = WORK;
    for (int i = 0; i < 60; i++) {
        PUT(f, s[i % 2], 0);
        record(e[i % 2], s[i % 2]);
        follow(s[1 - i % 2], e[i % 2]);
    }
    all_done();
}

/* The same with a stream of another process, by events that both know. */
static void processes(void) {
    int down[2], up[2];
    if (pipe(down) || pipe(up)) exit(2);
    pid_t child = fork();
    int to = child ? down[1] : up[1], from = child ? up[0] : down[0];
    open_driver();
    void *mine = event(6), *s = stream(1), *f = WORK, *theirs;
    struct handle {
        char bytes[64];
    } handle;
    DO("cuIpcGetEventHandle", (struct handle *, void *), &handle, mine);
    if (write(to, &handle, sizeof handle) != sizeof handle) exit(2);
    if (read(from, &handle, sizeof handle) != sizeof handle) exit(2);
    DO("cuIpcOpenEventHandle", (void **, struct handle), &theirs, handle);
    char token = 0;
    if (child && write(to, &token, 1) != 1) exit(2);
    for (int i = 0; i < 15; i++) {
        /* A token says that the other has recorded; its work is not done then. */
        if (read(from, &token, 1) != 1) exit(3);
        if (i || !child) follow(s, theirs);
        PUT(f, s, 0), PUT(f, s, 0);
        record(mine, s);
        if (write(to, &token, 1) != 1 && i + 1 < 15) exit(4);
    }
    all_done();
    if (!child) _exit(wrong_at != 0);
    int status = 1;
    if (waitpid(child, &status, 0) != child || status) must(1, __LINE__);
}

/* A stream waits for a word, with work behind the wait; another writes it when its own work is done. */
static void words(void) {
    void *a = stream(1), *b = stream(1), *f = WORK;
    uint64_t at = word();
    for (unsigned i = 1; i <= 12; i++) {
        DO("cuStreamWaitValue32_v2", (void *, uint64_t, unsigned, unsigned), a, at, i, 0);
        PUT(f, a, 0), PUT(f, a, 0);
        PUT(f, b, 0), PUT(f, b, 0);
        DO("cuStreamWriteValue32_v2", (void *, uint64_t, unsigned, unsigned), b, at, i, 0);
    }
    all_done();
}

/* A stream follows another's event, which is behind a word that is written after 300 ms: between kernels that fill
 * batches by themselves, and among small ones. */
static void follows(void) {
    void *a = stream(1), *b = stream(1), *c = stream(1), *e = event(2);
    void *kernels[] = {WORK, kernel("spin_us_100"), kernel("spin_us_1000")};
    uint64_t at = word();
    for (unsigned i = 1; i <= 2; i++) {
        PUT(kernels[i - 1], a, 0), all_done();
        PUT(kernels[i - 1], a, 0);
        DO("cuStreamWaitValue32_v2", (void *, uint64_t, unsigned, unsigned), b, at, i, 0);
        record(e, b);
        follow(a, e);
        for (int k = 0; k < 6; k++) PUT(kernels[i - 1], a, 0);
        PUT(kernels[2], a, 0);
        usleep(300000);
        DO("cuStreamWriteValue32_v2", (void *, uint64_t, unsigned, unsigned), c, at, i, 0);
        all_done();
    }
}

/* A kernel that spins until another is launched, which sets its word. */
static void spins(void) {
    void *a = stream(1), *b = stream(1), *until = kernel("spin_until"), *sets = kernel("set_flag_us_2000");
    for (int i = 0; i < 8; i++) {
        uint64_t at = word();
        PUT(until, a, at);
        PUT(sets, b, at);
        all_done();
    }
}

/* A function of the host lets another thread launch, and returns when that has. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static int asked, answered, refused;
static void ask(void *f) {
    refused += put_with("cuLaunchKernel", f, 0, 0) != 0;
    pthread_mutex_lock(&lock);
    int mine = ++asked;
    pthread_cond_broadcast(&moved);
    while (answered < mine) pthread_cond_wait(&moved, &lock);
    pthread_mutex_unlock(&lock);
}
static void *answerer(void *f) {
    DO("cuCtxSetCurrent", (void *), context);
    void *s = stream(1);
    for (int i = 0; i < 6; i++) {
        pthread_mutex_lock(&lock);
        while (asked <= i) pthread_cond_wait(&moved, &lock);
        pthread_mutex_unlock(&lock);
        for (int k = 0; k < 4; k++) PUT(f, s, 0);
        pthread_mutex_lock(&lock);
        answered++;
        pthread_cond_broadcast(&moved);
        pthread_mutex_unlock(&lock);
    }
    return 0;
}
static void callbacks(void) {
    void *s = stream(1), *f = WORK;
    pthread_t thread;
    pthread_create(&thread, 0, answerer, f);
    for (int i = 0; i < 6; i++) {
        PUT(f, s, 0), PUT(f, s, 0);
        DO("cuLaunchHostFunc", (void *, void (*)(void *), void *), s, ask, f);
        PUT(f, s, 0), PUT(f, s, 0);
    }
    pthread_join(thread, 0);
    all_done();
    /* The driver allows no launch in a function of the host, and says so at once. */
    if (refused != 6) must(refused, __LINE__);
}

/* Threads that launch, and wait for all work, under a lock of the program. */
static void *locked(void *f) {
    DO("cuCtxSetCurrent", (void *), context);
    for (int i = 0; i < 20; i++) {
        pthread_mutex_lock(&lock);
        PUT(f, 0, 0);
        if (i % 8 == 0) all_done();
        pthread_mutex_unlock(&lock);
    }
    return 0;
}
static void locks(void) {
    pthread_t threads[4];
    void *f = WORK;
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, locked, f);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
    all_done();
}

/* The legacy stream waits for all blocking streams and they for it; a thread's own stream among them. */
static void legacy(void) {
    void *a = stream(0), *b = stream(0), *free_one = stream(1), *f = WORK;
    for (int i = 0; i < 15; i++) {
        PUT(f, a, 0), PUT(f, 0, 0), PUT(f, b, 0);
        must(put_with("cuLaunchKernel_ptsz", f, 0, 0), __LINE__);
        PUT(f, free_one, 0), PUT(f, (void *)1, 0), PUT(f, (void *)2, 0);
        if (i % 5 == 0) DO("cuStreamSynchronize", (void *), 0);
    }
    all_done();
}

static void *captured(void *f, int count, void *parameter) {
    void *s = stream(1), *graph = 0;
    DO("cuStreamBeginCapture_v2", (void *, int), s, 0);
    for (int i = 0; i < count; i++) PUT(f, s, parameter);
    DO("cuStreamEndCapture", (void *, void **), s, &graph);
    return graph;
}
static void *ready(void *graph, uint64_t flags) {
    void *exec = 0;
    DO("cuGraphInstantiateWithFlags", (void **, void *, uint64_t), &exec, graph, flags);
    return exec;
}
static void launch(void *exec, void *s) { DO("cuGraphLaunch", (void *, void *), exec, s); }

/* A graph in a graph, and one that a kernel of another launches from the card. */
static void graphs(void) {
    void *s = stream(1), *inner = captured(WORK, 4, 0), *outer = 0, *node = 0;
    DO("cuGraphCreate", (void **, unsigned), &outer, 0);
    for (int i = 0; i < 2; i++)
        DO("cuGraphAddChildGraphNode", (void **, void *, void **, size_t, void *), &node, outer, 0, 0, inner);
    void *both = ready(outer, 0);
    void *launched = ready(captured(WORK, 5, 0), 4);
    DO("cuGraphUpload", (void *, void *), launched, s);
    void *launches = ready(captured(kernel("launch_graph_us_100"), 1, launched), 0);
    for (int i = 0; i < 6; i++) launch(both, s), launch(launches, s);
    all_done();
}

/* One thread waits for all work while another's launches wait. */
static volatile int ends;
static void *without_end(void *f) {
    DO("cuCtxSetCurrent", (void *), context);
    void *s = stream(1);
    while (!ends) PUT(f, s, 0);
    return 0;
}
static pthread_t background(void) {
    pthread_t thread;
    ends = 0;
    pthread_create(&thread, 0, without_end, WORK);
    return thread;
}
static void finish(pthread_t thread) {
    ends = 1;
    pthread_join(thread, 0);
    all_done();
}
static void waits(void) {
    pthread_t thread = background();
    for (int i = 0; i < 20; i++) usleep(20000), all_done();
    finish(thread);
}

/* Captures in each mode, on another thread and on this, while a thread's launches wait. */
static int mode;
static void *captures(void *f) {
    DO("cuCtxSetCurrent", (void *), context);
    void *s = stream(1), *graph = 0;
    for (int i = 0; i < 5; i++) {
        DO("cuStreamBeginCapture_v2", (void *, int), s, mode);
        for (int k = 0; k < 20; k++) PUT(f, s, 0), usleep(1000);
        DO("cuStreamEndCapture", (void *, void **), s, &graph);
        launch(ready(graph, 0), s);
    }
    return 0;
}
static void capture(void) {
    void *f = kernel("spin_us_200");
    pthread_t thread = background(), other;
    for (mode = 0; mode < 3; mode++) {
        pthread_create(&other, 0, captures, f);
        captures(f);
        pthread_join(other, 0);
    }
    finish(thread);
}

/* Forks while another thread waits in a launch. The child has no driver, and ends. */
static void forks(void) {
    pthread_t thread = background();
    for (int i = 0; i < 10; i++) {
        usleep(30000);
        pid_t child = fork();
        if (!child) {
            put_with("cuLaunchKernel", 0, 0, 0);
            _exit(7);
        }
        int status = 0;
        if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7) must(1, __LINE__);
    }
    finish(thread);
}

/* Beside a process of the same container that is stopped, and then killed, with work in flight. */
static void neighbours(int last) {
    int said[2];
    char token;
    if (pipe(said)) exit(2);
    pid_t child = fork();
    open_driver();
    void *f = WORK, *s = stream(1);
    if (!child) {
        PUT(f, s, 0);
        if (write(said[1], "r", 1) != 1) exit(2);
        for (;;) PUT(f, s, 0);
    }
    if (read(said[0], &token, 1) != 1) exit(2);
    usleep(300000);
    kill(child, last);
    for (int i = 0; i < 20; i++) PUT(f, s, 0);
    all_done();
    kill(child, SIGKILL);
    waitpid(child, 0, 0);
    for (int i = 0; i < 10; i++) PUT(f, s, 0);
    all_done();
}
static void stopped(void) { neighbours(SIGSTOP); }
static void killed(void) { neighbours(SIGKILL); }

/* Every way to launch that a program of any age has, ten times each. */
static void kinds(void) {
    void *s = stream(1), *f = kernel("spin_us_300"), *exec = ready(captured(f, 3, 0), 0);
    struct config {
        unsigned x, y, z, bx, by, bz, shared;
        void *stream, *attributes;
        unsigned count;
    } config = {1, 1, 1, 1, 1, 1, 0, s, 0, 0};
    /* Programmatic stream serialisation: attribute 6, allowed. */
    uint64_t early[9] = {6, 1};
    DO("cuFuncSetBlockShape", (void *, int, int, int), f, 1, 1, 1);
    for (int i = 0; i < 10; i++) {
        PUT(f, s, 0);
        must(put_with("cuLaunchKernel_ptsz", f, 0, 0), __LINE__);
        must(put_with("cuLaunchCooperativeKernel", f, s, 0), __LINE__);
        must(put_with("cuLaunchCooperativeKernel_ptsz", f, 0, 0), __LINE__);
        config.attributes = 0, config.count = 0;
        DO("cuLaunchKernelEx", (void *, void *, void **, void **), &config, f, 0, 0);
        DO("cuLaunchKernelEx_ptsz", (void *, void *, void **, void **), &config, f, 0, 0);
        config.attributes = early, config.count = 1;
        DO("cuLaunchKernelEx", (void *, void *, void **, void **), &config, f, 0, 0);
        DO("cuLaunch", (void *), f);
        DO("cuLaunchGrid", (void *, int, int), f, 1, 1);
        DO("cuLaunchGridAsync", (void *, int, int, void *), f, 1, 1, s);
        launch(exec, s);
        DO("cuGraphLaunch_ptsz", (void *, void *), exec, 0);
    }
    all_done();
}

static const struct {
    const char *name;
    void (*run)(void);
    int opens;
} all[] = {
    {"streams", streams},     {"processes", processes, 1}, {"words", words},     {"spins", spins},
    {"callbacks", callbacks}, {"locks", locks},            {"legacy", legacy},   {"graphs", graphs},
    {"waits", waits},         {"capture", capture},        {"forks", forks},     {"stopped", stopped, 1},
    {"follows", follows},
    {"killed", killed, 1},    {"kinds", kinds},
};

int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IOLBF, 0);
    for (unsigned i = 0; argc == 2 && i < sizeof all / sizeof *all; i++) {
        if (strcmp(argv[1], all[i].name)) continue;
        int64_t start = now();
        if (!all[i].opens) open_driver();
        all[i].run();
        printf("%s %d\nms %lld\nend\n", argv[1], wrong_at, (long long)(now() - start) / 1000000);
        return 0;
    }
    fprintf(stderr, "no word %s\n", argc > 1 ? argv[1] : "");
    return 2;
}
