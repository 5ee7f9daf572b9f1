/* What a stream waits for: functions of the program, words, semaphores. */
/* A callback runs on a thread of its own, in the stream's order, and the stream waits for it. */
typedef struct call {
    void (*function)(void *);
    void *data;
    stream *s;
    int64_t due;
} call;
static void *call_back(void *at) {
    call c = *(call *)at;
    while (now() < c.due) rest();
    in_callback = 1;
    c.function(c.data);
    pthread_mutex_lock(&lock);
    /* What was launched behind it begins now. */
    int64_t late = now() - NEVER;
    for (int i = 0; i < event_count; i++)
        if (events[i]->on == c.s && events[i]->at >= NEVER) events[i]->at += late;
    c.s->until += late;
    pthread_mutex_unlock(&lock);
    free(at);
    return 0;
}
static int hold_up(stream *s, void (*function)(void *), void *data) {
    if (in_callback) return 800;
    call *c = malloc(sizeof *c);
    pthread_mutex_lock(&lock);
    *c = (call){function, data, s, s->until};
    s->until = NEVER;
    pthread_mutex_unlock(&lock);
    pthread_t thread;
    return pthread_create(&thread, 0, call_back, c);
}
int cuLaunchHostFunc(void *s, void (*function)(void *), void *data) { return hold_up(of(s, 0), function, data); }
int cuLaunchHostFunc_ptsz(void *s, void (*function)(void *), void *data) { return hold_up(of(s, 1), function, data); }

int cuLaunchHostFunc_v2(void *s, void (*function)(void *), void *data, unsigned mode) { return hold_up(of(s, 0), function, data); }
int cuLaunchHostFunc_v2_ptsz(void *s, void (*function)(void *), void *data, unsigned mode) { return hold_up(of(s, 1), function, data); }
/* One that is told its stream, and that all went well. */
typedef struct told {
    void (*function)(void *, int, void *);
    void *stream, *data;
} told;
static void tell(void *at) {
    told t = *(told *)at;
    free(at);
    t.function(t.stream, 0, t.data);
}
static int add_callback(stream *s, told t) {
    told *kept = malloc(sizeof *kept);
    return *kept = t, hold_up(s, tell, kept);
}
int cuStreamAddCallback(void *s, void (*function)(void *, int, void *), void *data, unsigned flags) {
    return add_callback(of(s, 0), (told){function, s, data});
}
int cuStreamAddCallback_ptsz(void *s, void (*function)(void *, int, void *), void *data, unsigned flags) {
    return add_callback(of(s, 1), (told){function, s, data});
}

/* A stream waits for a word as it waits for a function that looks at it. */
static void look(void *at) {
    while (!*(volatile unsigned *)at) rest();
}
/* A semaphore's handle is where its word is. */
int cuWaitExternalSemaphoresAsync(void **list, void *params, unsigned count, void *s) { return hold_up(of(s, 0), look, list[0]); }
int cuWaitExternalSemaphoresAsync_ptsz(void **list, void *params, unsigned count, void *s) { return hold_up(of(s, 1), look, list[0]); }
#define WAITS(name, type)                                                                                \
    int name(void *s, uint64_t at, type v, unsigned f) { return hold_up(of(s, 0), look, (void *)at); }      \
    int name##_ptsz(void *s, uint64_t at, type v, unsigned f) { return hold_up(of(s, 1), look, (void *)at); }
WAITS(cuStreamWaitValue32, unsigned)
WAITS(cuStreamWaitValue32_v2, unsigned)
WAITS(cuStreamWaitValue64, uint64_t)
WAITS(cuStreamWaitValue64_v2, uint64_t)
/* Of a list of operations the first is a wait. */
typedef struct part {
    uint64_t operation, address, rest[4];
} part;
#define BATCHES(name)                                                                                    \
    int name(void *s, unsigned n, part *p, unsigned f) { return hold_up(of(s, 0), look, (void *)p->address); } \
    int name##_ptsz(void *s, unsigned n, part *p, unsigned f) { return hold_up(of(s, 1), look, (void *)p->address); }
BATCHES(cuStreamBatchMemOp)
BATCHES(cuStreamBatchMemOp_v2)
