/*
 * Graphs of the stand-in driver: each allocates, and frees at its end. A device's graphs keep 2 MiB pages
 * until they are trimmed; with STANDIN_TORN they take 64 MiB more than their nodes ask for.
 */
#define GRAPHS 16
#define NODES 8
static struct graph {
    uint64_t sizes[NODES];
    int count;
} all_graphs[GRAPHS];
static uint64_t graphs_reserved;

typedef struct taking {
    pool_properties pool;
    uint64_t access, accesses, size, address;
} taking;

static struct graph *graph_of(uint64_t handle, uint64_t first) {
    return handle - first < GRAPHS ? &all_graphs[handle - first] : 0;
}
static int take_node(uint64_t *node, struct graph *graph, taking *t) {
    if (!node || !graph || !t || !t->size || graph->count == NODES) return 1;
    *node = 0x9000 + (graph - all_graphs) * NODES + graph->count;
    t->address = 0x77700000;
    graph->sizes[graph->count++] = t->size;
    return 0;
}
static int upload_graph(struct graph *graph) {
    if (!graph) return 1;
    if (refuses()) return 2;
    uint64_t sum = 0;
    for (int i = 0; i < graph->count; i++) sum += (graph->sizes[i] + 2 * MIB - 1) & ~(2 * MIB - 1);
    if (sum > graphs_reserved) {
        uint64_t more = sum - graphs_reserved + (getenv("STANDIN_TORN") ? 64 * MIB : 0);
        graphs_reserved += more;
        living += more;
    }
    return 0;
}
static int trim_graphs(void) {
    living -= graphs_reserved;
    graphs_reserved = 0;
    return 0;
}
/* With STANDIN_FAILS=N the N-th launch takes nothing and fails with 719. */
static int launch_fails(void) {
    static int done;
    const char *when = getenv("STANDIN_FAILS");
    return when && ++done == atoi(when);
}
/* With STANDIN_BESIDE=N another thread trims right behind the N-th upload, and takes memory right before the
 * launch that follows; both as programs do, through what stands before this driver. */
static int (*before_driver(const char *name))() { return (int (*)())dlsym(RTLD_DEFAULT, name); }
static void *trims(void *context) {
    before_driver("cuDeviceGraphMemTrim")(0);
    return 0;
}
static void *takes(void *context) {
    uint64_t at;
    before_driver("cuCtxSetCurrent")(context);
    /* It counts as living here, which plain memory does not. */
    if (!before_driver("cuMemAlloc_v2")(&at, 2 * MIB)) living += 2 * MIB;
    return 0;
}
/* With STANDIN_RIVAL=N another thread launches the next graph right behind the N-th upload, STANDIN_TIMES times
 * where that is said, or until it is refused. */
static int rival_got = -1;
int standin_rival(void) { return rival_got; }
static uint64_t rival;
static void *launches(void *context) {
    const char *times = getenv("STANDIN_TIMES");
    int left = times ? atoi(times) : 1;
    before_driver("cuCtxSetCurrent")(context);
    do rival_got = before_driver("cuGraphLaunch")(rival, 0);
    while (--left > 0 && !rival_got);
    return 0;
}
static void meets_rival(uint64_t made) {
    static int done;
    const char *when = getenv("STANDIN_RIVAL");
    pthread_t thread;
    if (!when || ++done != atoi(when)) return;
    rival = made + 1;
    pthread_create(&thread, 0, launches, current);
    pthread_join(thread, 0);
}
static void beside(int uploads) {
    static int done;
    const char *when = getenv("STANDIN_BESIDE");
    pthread_t thread;
    done += uploads;
    if (!when || done != atoi(when)) return;
    pthread_create(&thread, 0, uploads ? trims : takes, current);
    pthread_join(thread, 0);
}
static int new_graph(uint64_t *graph) {
    static uint64_t next;
    *graph = 0x8000 + next++;
    return 0;
}
int cuStreamCreate(void **stream, unsigned flags) {
    *stream = (void *)0x700;
    return 0;
}
int cuGraphCreate(uint64_t *graph, unsigned flags) { LOCKED(new_graph(graph)); }
int cuGraphAddMemAllocNode(uint64_t *node, uint64_t graph, void *after, size_t count, taking *t) {
    LOCKED(take_node(node, graph_of(graph, 0x8000), t));
}
int cuGraphGetNodes(uint64_t handle, uint64_t *nodes, size_t *count) {
    struct graph *graph = graph_of(handle, 0x8000);
    if (!graph) return 1;
    *count = graph->count;
    for (int i = 0; nodes && i < graph->count; i++)
        nodes[i] = 0x9000 + (graph - all_graphs) * NODES + i;
    return 0;
}
int cuGraphNodeGetType(uint64_t node, int *kind) {
    *kind = 10;
    return 0;
}
int cuGraphMemAllocNodeGetParams(uint64_t node, taking *t) {
    uint64_t index = node - 0x9000;
    *t = (taking){{1, 0, {1, 0}}, 0, 0, all_graphs[index / NODES].sizes[index % NODES], 0x77700000};
    return 0;
}
int cuGraphInstantiateWithFlags(uint64_t *made, uint64_t graph, uint64_t flags) {
    *made = graph + 0x2000;
    return 0;
}
int cuGraphExecDestroy(uint64_t made) { return 0; }
static int upload_one(uint64_t made) { LOCKED(upload_graph(graph_of(made, 0xa000))); }
int cuGraphUpload(uint64_t made, void *stream) {
    int result = upload_one(made);
    beside(1);
    meets_rival(made);
    return result;
}
int cuGraphLaunch(uint64_t made, void *stream) {
    beside(0);
    if (launch_fails()) return 719;
    return upload_one(made);
}
int cuGraphLaunch_ptsz(uint64_t made, void *stream) { return cuGraphLaunch(made, stream); }
int cuGraphUpload_ptsz(uint64_t made, void *stream) { return cuGraphUpload(made, stream); }
int cuDeviceGraphMemTrim(int device) { LOCKED(trim_graphs()); }
int cuDeviceGetGraphMemAttribute(int device, int which, uint64_t *value) {
    *value = which == 2 ? graphs_reserved : 0;
    return 0;
}
