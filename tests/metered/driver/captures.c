/* Captures, and graphs. */
static int begin(stream *s, int m) {
    pthread_mutex_lock(&lock);
    s->capture = calloc(1, sizeof *s->capture);
    s->mode = m;
    s->broken = 0;
    s->capturer = pthread_self();
    for (int i = 0; i < 64; i++)
        if (!captured[i]) {
            captured[i] = s;
            break;
        }
    pthread_mutex_unlock(&lock);
    return 0;
}
int cuStreamBeginCapture_v2(void *s, int m) { return begin(of(s, 0), m); }
int cuStreamBeginCapture_v2_ptsz(void *s, int m) { return begin(of(s, 1), m); }
int cuStreamBeginCapture(void *s) { return begin(of(s, 0), 0); }
int cuStreamBeginCapture_ptsz(void *s) { return begin(of(s, 1), 0); }
static int end(stream *s, graph **g) {
    if (!s->capture) return 903;
    pthread_mutex_lock(&lock);
    *g = s->broken ? 0 : s->capture;
    int result = s->broken ? 901 : 0;
    s->capture = 0;
    for (int i = 0; i < 64; i++)
        if (captured[i] == s) captured[i] = 0;
    pthread_mutex_unlock(&lock);
    return result;
}
int cuStreamEndCapture(void *s, graph **g) { return end(of(s, 0), g); }
int cuStreamEndCapture_ptsz(void *s, graph **g) { return end(of(s, 1), g); }
/* How often anybody asked. */
static uint64_t capture_questions;
EXPORT uint64_t standin_capture_questions(void) { return capture_questions; }
static int capturing(stream *s, int *status) {
    begins();
    capture_questions++;
    if (is_forked()) return 3;
    if (in_callback) return 800;
    return *status = s->capture ? s->broken ? 2 : 1 : 0, ends(0);
}
int cuModuleUnload(void *module) { return module ? 0 : 400; }
int cuLibraryUnload(void *library) { return library ? 0 : 400; }
int cuStreamIsCapturing(void *s, int *status) { return capturing(of(s, 0), status); }
int cuStreamIsCapturing_ptsz(void *s, int *status) { return capturing(of(s, 1), status); }

/* A graph is one piece of work; its memory nodes are none. */
int cuGraphGetNodes(graph *g, void **nodes, size_t *count) { return *count = 0, 0; }
int cuGraphInstantiateWithFlags(graph **exec, graph *g, uint64_t flags) {
    *exec = malloc(sizeof **exec);
    return **exec = *g, 0;
}
int cuGraphExecDestroy(graph *exec) { return 0; }
static int launch_graph(graph *g, stream *s) {
    begins();
    if (in_callback) return 800;
    pthread_mutex_lock(&lock);
    graphs++;
    kernels++;
    end_spin();
    put(s, g->ns);
    pthread_mutex_unlock(&lock);
    return ends(0);
}
int cuGraphLaunch(graph *g, void *s) { return launch_graph(g, of(s, 0)); }
int cuGraphLaunch_ptsz(graph *g, void *s) { return launch_graph(g, of(s, 1)); }
