/*
 * A program that launches, as its words say. Each word prints a line: itself and the driver's answer, or
 * what it found.
 */
#define _GNU_SOURCE
#include "kinds.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t book(const char *name) { return ((uint64_t(*)(void))find(name))(); }

/* Asks until all that was launched has ended. */
static int poll(const char *kind) {
    void *event = 0;
    if (!strcmp(kind, "stream")) while (CALL("cuStreamQuery", (void *), 0)) usleep(100);
    else if (!strcmp(kind, "other")) while (CALL("cuStreamQuery_ptsz", (void *), streams[0])) usleep(100);
    else {
        CALL("cuEventCreate", (void **, unsigned), &event, 0);
        CALL("cuEventRecord", (void *, void *), event, 0);
        while (CALL("cuEventQuery", (void *), event)) usleep(100);
    }
    return 0;
}

/* Launches in the second context until it is told that it is enough. */
static volatile int enough;
static void *launch_beside(void *unused) {
    CALL("cuCtxSetCurrent", (void *), contexts[1]);
    while (!enough) launch("kernel", 600, streams[1]), usleep(100);
    return 0;
}
/* Meanwhile the primary context, which nobody else keeps, ends so often with work in flight. */
static int release_beside(int count) {
    pthread_t thread;
    int answer = CALL("cuDevicePrimaryCtxRelease_v2", (int), 0);
    pthread_create(&thread, 0, launch_beside, 0);
    for (int i = 0; i < count; i++) {
        answer |= CALL("cuDevicePrimaryCtxRetain", (void **, int), &contexts[0], 0);
        answer |= CALL("cuCtxSetCurrent", (void *), contexts[0]);
        answer |= launch("kernel", 700, 0) | launch("kernel", 700, 0);
        answer |= CALL("cuDevicePrimaryCtxRelease_v2", (int), 0);
    }
    enough = 1;
    pthread_join(thread, 0);
    return answer;
}

/* Keeps the primary context once more and lets it go, without a pause. */
static void *keep_and_let_go(void *unused) {
    void *context;
    for (;;) {
        CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, 0);
        CALL("cuDevicePrimaryCtxRelease_v2", (int), 0);
    }
}
/* Is cancelled in the driver while it lets the primary context go by this call. */
static void *release_within(void *call) {
    void *context;
    CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, 0);
    CALL("standin_cancel_release", (int), 1);
    CALL(call, (int), 0);
    return 0;
}

static void *end_context(void *context) { return (void *)(intptr_t)CALL("cuCtxDestroy_v2", (void *), context); }
static int launch_and_wait(void) {
    int answer = 0;
    for (int i = 0; i < 5; i++) answer |= launch("kernel", 700, 0);
    return answer | CALL("cuCtxSynchronize", (void));
}
/* A context ends, and before its thread is back from the driver there is another of its handle, with more launches than
 * events are kept. How many are made for the launches behind that. */
static int reuse(int n) {
    pthread_t thread;
    void *before = contexts[n];
    CALL("standin_reuses", (int), 1);
    pthread_create(&thread, 0, end_context, before);
    while (CALL("standin_reuses", (int), -1) != 2) usleep(100);
    if (CALL("cuCtxCreate_v2", (void **, unsigned, int), &contexts[n], 0, 0) || contexts[n] != before) return -1;
    for (int i = 0; i < 120; i++)
        if (launch_and_wait()) return -2;
    int events = book("standin_events");
    CALL("standin_reuses", (int), 0);
    pthread_join(thread, 0);
    return launch_and_wait() ? -3 : book("standin_events") - events;
}

static void *stream_of(int n) { return n < 0 ? 0 : streams[n]; }

static int callback_answer = -1;
static void callback(void *us) { callback_answer = launch("kernel", (int)(intptr_t)us, 0); }

/* Holds a stream up by a call of this name until so many ms are over. */
static volatile unsigned word;
static void *set_word(void *ms) {
    usleep((intptr_t)ms * 1000);
    word = 1;
    return 0;
}
static void rest_for(void *ms) { usleep((intptr_t)ms * 1000); }
static void called_for(void *stream, int status, void *ms) { rest_for(ms); }
static int hold(const char *name, int ms) {
    if (strstr(name, "HostFunc_v2"))
        return CALL(name, (void *, void (*)(void *), void *, unsigned), 0, rest_for, (void *)(intptr_t)ms, 0);
    if (strstr(name, "HostFunc"))
        return CALL(name, (void *, void (*)(void *), void *), 0, rest_for, (void *)(intptr_t)ms);
    if (strstr(name, "Callback"))
        return CALL(name, (void *, void (*)(void *, int, void *), void *, unsigned), 0, called_for, (void *)(intptr_t)ms, 0);
    pthread_t thread;
    word = 0;
    pthread_create(&thread, 0, set_word, (void *)(intptr_t)ms);
    pthread_detach(thread);
    void *semaphore = (void *)&word;
    if (strstr(name, "Semaphores")) return CALL(name, (void **, void *, unsigned, void *), &semaphore, 0, 1, 0);
    uint64_t part[6] = {1, (uintptr_t)&word, 1};
    if (strstr(name, "Batch")) return CALL(name, (void *, unsigned, void *, unsigned), 0, 1, part, 0);
    if (strstr(name, "64")) return CALL(name, (void *, uint64_t, uint64_t, unsigned), 0, (uintptr_t)&word, 1, 0);
    return CALL(name, (void *, uint64_t, unsigned, unsigned), 0, (uintptr_t)&word, 1, 0);
}

/* Launches so often behind a wait for an event by a call of this name, the GPU no further behind than 30 ms. The most
 * page faults that a wait took. */
static int faults_of(const char *name, int us, int count) {
    void *wait = find(name), *event = 0;
    CALL("cuEventCreate", (void **, unsigned), &event, 2);
    long most = 0;
    for (int i = 0; i < count; i++) {
        struct rusage before, after;
        getrusage(RUSAGE_SELF, &before);
        if (strstr(name, "Stream")) ((int (*)(void *, void *, unsigned))wait)(0, event, 0);
        else ((int (*)(void *, void *))wait)(contexts[0], event);
        getrusage(RUSAGE_SELF, &after);
        long faults = after.ru_minflt - before.ru_minflt;
        if (faults > most) most = faults;
        launch("kernel", us, 0);
        while (book("standin_ahead_ns") > 30000000) usleep(100);
    }
    return most;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int stops;
static void nothing(int signal) {}
/* Launches under a lock until told to stop. */
static void *under_lock(void *at) {
    void *ctx = at;
    CALL("cuCtxSetCurrent", (void *), ctx);
    uint64_t done = 0;
    while (!stops) {
        pthread_mutex_lock(&lock);
        launch("kernel", 200, 0);
        pthread_mutex_unlock(&lock);
        done++;
    }
    return (void *)done;
}
/* Launches without end; cancelled from outside. */
static pthread_t endless;
static void *without_end(void *at) {
    CALL("cuCtxSetCurrent", (void *), at);
    for (;;) {
        launch("kernel", 2000, 0);
        pthread_testcancel();
    }
}
/* Launches, and is cancelled in one of its calls of the driver. */
static const char *kind_within;
static int call_within, is_late;
static void *cancelled_within(void *at) {
    CALL("cuCtxSetCurrent", (void *), at);
    CALL("standin_cancel", (int, int), call_within, is_late);
    for (int i = 0; i < 12; i++) {
        if (!strcmp(kind_within, "graph")) CALL("cuGraphLaunch", (void *, void *), execs[0], streams[0]);
        else launch(kind_within, 400, streams[0]);
        usleep(300);
    }
    return 0;
}
static void *capture_in(void *at) {
    CALL("cuCtxSetCurrent", (void *), contexts[0]);
    intptr_t m = (intptr_t)at;
    CALL("cuStreamBeginCapture_v2", (void *, int), streams[0], (int)m);
    for (int i = 0; i < 50; i++) launch("kernel", 100, streams[0]), usleep(2000);
    return (void *)(intptr_t)CALL("cuStreamEndCapture", (void *, void **), streams[0], &graphs[0]);
}

int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IOLBF, 0);
    cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (!cuda) return fprintf(stderr, "%s\n", dlerror()), 2;
    CALL("cuInit", (unsigned), 0);
    CALL("cuDevicePrimaryCtxRetain", (void **, int), &contexts[0], 0);
    CALL("cuCtxSetCurrent", (void *), contexts[0]);
    for (int i = 1; i < argc; i++) {
        char kind[64];
        int us = 0, s = -1, count = 1, ms = 0, n = 0, m = 0;
        long long answer = 0;
        errno = 77;
        if (sscanf(argv[i], "launch=%63[^,],%d,%d,%d", kind, &us, &s, &count) >= 2)
            for (int k = 0; k < count; k++) answer |= launch(kind, us, stream_of(s));
        else if (sscanf(argv[i], "copy=%63[^,],%d,%d", kind, &n, &count) == 3)
            for (int k = 0; k < count; k++) answer |= copy(kind, n);
        else if (sscanf(argv[i], "release-beside=%d", &count) == 1)
            answer = release_beside(count);
        else if (sscanf(argv[i], "poll=%63s", kind) == 1)
            answer = poll(kind);
        else if (sscanf(argv[i], "follow=%63[^,],%d,%d", kind, &us, &count) == 3)
            answer = faults_of(kind, us, count);
        else if (sscanf(argv[i], "hold=%63[^,],%d", kind, &ms) == 2)
            answer = hold(kind, ms);
        /* A kernel and a copy in turn, for so many ms. */
        else if (sscanf(argv[i], "mix=%d,%d,%d", &us, &n, &ms) == 3)
            for (int64_t end = now() + ms * 1000000ll; now() < end;) {
                answer |= launch("kernel", us, 0) | copy("to-async", n);
                while (book("standin_ahead_ns") > 20000000) usleep(100);
            }
        else if (sscanf(argv[i], "stream=%d", &n) == 1)
            answer = CALL("cuStreamCreate", (void **, unsigned), &streams[n], 0);
        /* So many streams, which have each had one kernel. */
        else if (sscanf(argv[i], "at-rest=%d,%d", &us, &count) == 2)
            for (int k = 0; k < count; k++) {
                void *s;
                answer |= CALL("cuStreamCreate", (void **, unsigned), &s, 0);
                answer |= launch("kernel", us, s) | CALL("cuStreamSynchronize", (void *), s);
            }
        else if (sscanf(argv[i], "destroy=%d", &n) == 1)
            answer = CALL("cuStreamDestroy_v2", (void *), streams[n]);
        /* Keeps the GPU busy for so many ms: GPU time got in us. */
        else if (sscanf(argv[i], "saturate=%63[^,],%d,%d,%d", kind, &us, &ms, &s) >= 3) {
            int64_t end = now() + ms * 1000000ll;
            int64_t before = book("standin_busy_ns");
            while (now() < end) {
                launch(kind, us, stream_of(s));
                /* As a driver's queue does: no more than 20 ms ahead. */
                while (book("standin_ahead_ns") > 20000000) usleep(100);
            }
            CALL("cuCtxSynchronize", (void));
            answer = (book("standin_busy_ns") - before) / 1000;
        /* One launch each so many us, for ms. */
        } else if (sscanf(argv[i], "sparse=%63[^,],%d,%d,%d", kind, &us, &n, &ms) == 4) {
            int64_t end = now() + ms * 1000000ll, before = book("standin_busy_ns");
            while (now() < end) launch(kind, us, 0), usleep(n);
            CALL("cuCtxSynchronize", (void));
            answer = (book("standin_busy_ns") - before) / 1000;
        } else if (sscanf(argv[i], "graph-saturate=%d,%d", &n, &ms) == 2) {
            int64_t end = now() + ms * 1000000ll, before = book("standin_busy_ns");
            while (now() < end) {
                CALL("cuGraphLaunch", (void *, void *), execs[n], 0);
                while (book("standin_ahead_ns") > 20000000) usleep(100);
            }
            CALL("cuCtxSynchronize", (void));
            answer = (book("standin_busy_ns") - before) / 1000;
        } else if (sscanf(argv[i], "begin=%d,%d", &n, &m) == 2)
            answer = CALL("cuStreamBeginCapture_v2", (void *, int), streams[n], m);
        else if (sscanf(argv[i], "end=%d,%d", &n, &m) == 2) {
            answer = CALL("cuStreamEndCapture", (void *, void **), streams[n], &graphs[m]);
            printf("captured %d\n", (int)((uint64_t(*)(void *))find("standin_captured_kernels"))(graphs[m]));
        } else if (sscanf(argv[i], "instantiate=%d", &n) == 1)
            answer = CALL("cuGraphInstantiateWithFlags", (void **, void *, uint64_t), &execs[n], graphs[n], 0);
        else if (sscanf(argv[i], "launch-graph=%d,%d", &n, &count) >= 1)
            for (int k = 0; k < count; k++) answer |= CALL("cuGraphLaunch", (void *, void *), execs[n], 0);
        else if (!strcmp(argv[i], "sync"))
            answer = CALL("cuCtxSynchronize", (void));
        else if (sscanf(argv[i], "sync-stream=%d", &n) == 1)
            answer = CALL("cuStreamSynchronize", (void *), stream_of(n));
        else if (sscanf(argv[i], "callback=%d", &us) == 1) {
            CALL("cuLaunchHostFunc", (void *, void (*)(void *), void *), 0, callback, (void *)(intptr_t)us);
            CALL("cuCtxSynchronize", (void));
            answer = callback_answer;
        } else if (sscanf(argv[i], "capture-beside=%d", &m) == 1) {
            pthread_t thread;
            pthread_create(&thread, 0, capture_in, (void *)(intptr_t)m);
            for (int k = 0; k < 200; k++) launch("kernel", 400, streams[1]), usleep(300);
            void *ended;
            pthread_join(thread, &ended);
            answer = (intptr_t)ended;
        } else if (sscanf(argv[i], "locked=%d", &ms) == 1) {
            pthread_t threads[4];
            void *done;
            for (int k = 0; k < 4; k++) pthread_create(&threads[k], 0, under_lock, contexts[0]);
            usleep(ms * 1000);
            stops = 1;
            for (int k = 0; k < 4; k++) pthread_join(threads[k], &done), answer += (uint64_t)done > 0;
        } else if (!strcmp(argv[i], "without-end")) {
            answer = pthread_create(&endless, 0, without_end, contexts[0]);
        } else if (!strcmp(argv[i], "cancel")) {
            void *ended;
            pthread_cancel(endless);
            pthread_join(endless, &ended);
            answer = ended == PTHREAD_CANCELED;
        /* cancelled=kind,call,late */
        } else if (sscanf(argv[i], "cancelled=%63[^,],%d,%d", kind, &call_within, &is_late) == 3) {
            pthread_t thread;
            void *ended;
            kind_within = kind;
            pthread_create(&thread, 0, cancelled_within, contexts[0]);
            pthread_join(thread, &ended);
            answer = ended == PTHREAD_CANCELED;
        } else if (!strcmp(argv[i], "keep-and-let-go")) {
            pthread_t thread;
            answer = pthread_create(&thread, 0, keep_and_let_go, 0);
        } else if (!strcmp(argv[i], "cancelled-release") || !strcmp(argv[i], "cancelled-reset")) {
            const char *call = strstr(argv[i], "reset") ? "cuDevicePrimaryCtxReset_v2" : "cuDevicePrimaryCtxRelease_v2";
            pthread_t thread;
            void *ended;
            pthread_create(&thread, 0, release_within, (void *)call);
            pthread_join(thread, &ended);
            answer = ended == PTHREAD_CANCELED;
        } else if (sscanf(argv[i], "alarms=%d", &ms) == 1) {
            struct sigaction action = {.sa_handler = nothing};
            sigaction(SIGALRM, &action, 0);
            ualarm(ms * 1000, ms * 1000);
        } else if (!strcmp(argv[i], "fork")) {
            pid_t child = fork();
            if (!child) {
                launch("kernel", 100, 0);
                _exit(5);
            }
            int status;
            waitpid(child, &status, 0);
            answer = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        /* context=place[,device] */
        } else if (sscanf(argv[i], "context=%d,%d", &n, &m) >= 1)
            answer = CALL("cuCtxCreate_v2", (void **, unsigned, int), &contexts[n], 0, m);
        else if (!strcmp(argv[i], "green")) {
            /* One that begins and ends. */
            void *green;
            answer = CALL("cuGreenCtxCreate", (void **, void *, int, unsigned), &green, 0, 0, 1);
            if (!answer) answer = CALL("cuGreenCtxDestroy", (void *), green);
        } else if (sscanf(argv[i], "use=%d", &n) == 1)
            answer = CALL("cuCtxSetCurrent", (void *), contexts[n]);
        else if (sscanf(argv[i], "reuse=%d", &n) == 1)
            answer = reuse(n);
        else if (sscanf(argv[i], "end-context=%d", &n) == 1)
            answer = CALL("cuCtxDestroy_v2", (void *), contexts[n]);
        /* Code goes, and what it held may be given to other code. */
        else if (!strcmp(argv[i], "unload"))
            answer = CALL("cuModuleUnload", (void *), streams);
        else if (!strcmp(argv[i], "unload-library"))
            answer = CALL("cuLibraryUnload", (void *), streams);
        else if (!strcmp(argv[i], "reset"))
            answer = CALL("cuDevicePrimaryCtxReset_v2", (int), 0);
        else if (sscanf(argv[i], "sleep=%d", &ms) == 1)
            usleep(ms * 1000);
        else if (!strcmp(argv[i], "wait")) {
            printf("waiting\n");
            getchar();
        } else if (sscanf(argv[i], "book=%63s", kind) == 1) {
            char name[80];
            snprintf(name, sizeof name, "standin_%s", kind);
            answer = book(name);
        } else
            return fprintf(stderr, "no word %s\n", argv[i]), 2;
        if (errno != 77 && strncmp(argv[i], "launch", 6) == 0) printf("errno-changed %s\n", argv[i]);
        printf("%s %lld\n", argv[i], answer);
    }
    printf("end\n");
    return 0;
}
