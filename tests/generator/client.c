/*
 * A process that takes and gives back device memory as lines of its standard input say, over several
 * threads, and answers what the driver said. It knows the driver as real programs do: by dlopen.
 *
 *   go N        N lines follow, "thread call place a b"; each thread runs its own in order
 *   rest        looks at every pool, asks for more than there can be, and says what is free
 *   reset D, release D, children, export, import, pass, accept, send, receive, quit
 *
 * Half of the threads have their contexts on one device, half on another.
 * Every thread has places of its own. A call that finds no use for its place goes to the next one that it
 * finds a use for, or is skipped, so any sequence means something, also after some lines of it were taken
 * out. The answer says which place it was.
 */
#include "client/others.h"
#include "client/places.h"
#include "client/rests.h"

static void run(struct line *line) {
    struct thread *me = &threads[line->thread];
    /* The next place of the thread that the call finds a use for, if there is one. */
    for (int i = 0; i < PLACES; i++)
        if (suits(line, &me->places[(line->place + i) % PLACES])) {
            line->place = (line->place + i) % PLACES;
            break;
        }
    struct place *at = &me->places[line->place];
    line->address = 0;
    if (IS("give"))
        line->result = *at->kind && !WAS("mapped") ? give(line, at) : SKIPPED;
    else if (IS("map"))
        line->result = map(at);
    else if (IS("unmap"))
        line->result = unmap(at);
    else if (IS("retain"))
        line->result = retain(at);
    else if (IS("context") || IS("destroy"))
        line->result = own_context(line, me);
    else if (IS("launch"))
        line->result = WAS("graph") ? launch_of(at->handle, at->address) : SKIPPED;
    else if (IS("upload"))
        line->result = WAS("graph") ? CALL("cuGraphUpload", (uint64_t, void *), at->handle, 0) : SKIPPED;
    else if (IS("clone"))
        line->result = WAS("graph") ? clone_of(at) : SKIPPED;
    else if (IS("update"))
        line->result = WAS("graph") ? update_of(at) : SKIPPED;
    else if (IS("graph-trim"))
        line->result = CALL("cuDeviceGraphMemTrim", (int), home(line->thread));
    else if (IS("row") || IS("unrow"))
        line->result = WAS("sparse") ? row(at, line->a, IS("row"), home(line->thread)) : SKIPPED;
    else if (IS("export"))
        line->result = WAS("create") && !at->descriptor ? export_fd(at) : SKIPPED;
    else if (IS("again"))
        line->result = suits(line, at) ? import_again(at, line->a & 1) : SKIPPED;
    else if (IS("forget"))
        line->result = suits(line, at) ? forget(at) : SKIPPED;
    else if (IS("range"))
        line->result = suits(line, at) ? describe(at) : SKIPPED;
    else if (IS("bind") || IS("unbind"))
        line->result = WAS("multi") ? bind_to(at, IS("bind"), home(line->thread)) : SKIPPED;
    else if (IS("let")) {
        line->result = SKIPPED;
        if ((WAS("sparse") || WAS("multi")) && at->is_held)
            line->result = CALL("cuMemRelease", (uint64_t), at->handle);
        if (!line->result) at->is_held = 0;
    } else if (IS("sync"))
        line->result = CALL("cuCtxSynchronize", (void));
    else if (IS("trim"))
        line->result = WAS("pool") ? CALL("cuMemPoolTrimTo", (uint64_t, size_t), at->handle, 0) : SKIPPED;
    else if (IS("pick"))
        line->result = pick_pool(home(line->thread), line->a & 1);
    else if ((IS("heap") || IS("print")) && !me->own && line->thread && home(line->thread) == home(line->thread - 1))
        line->result = SKIPPED; /* One thread alone sets the limits of a context that all share. */
    else if (IS("heap"))
        line->result = CALL("cuCtxSetLimit", (int, size_t), 2, line->a);
    else if (IS("print"))
        line->result = CALL("cuCtxSetLimit", (int, size_t), 1, line->a);
    else
        line->result = *at->kind ? SKIPPED : take(line, at);
}

static void *work(void *number) {
    int me = (int)(intptr_t)number;
    CALL("cuCtxSetCurrent", (void *), threads[me].own ? threads[me].own : primary[home(me)]);
    for (int i = 0; i < count; i++) {
        if (lines[i].thread != me) continue;
        pthread_rwlock_rdlock(&calls);
        run(&lines[i]);
        pthread_rwlock_unlock(&calls);
    }
    return 0;
}

static void go(void) {
    pthread_t ids[THREADS];
    for (int i = 0; i < count; i++) {
        char text[256];
        if (!fgets(text, sizeof text, stdin)) exit(1);
        struct line *line = &lines[i];
        if (sscanf(text, "%d %15s %d %lu %lu", &line->thread, line->call, &line->place, &line->a, &line->b) != 5)
            exit(2);
    }
    for (long t = 0; t < THREADS; t++) pthread_create(&ids[t], 0, work, (void *)t);
    for (int t = 0; t < THREADS; t++) pthread_join(ids[t], 0);
    for (int i = 0; i < count; i++)
        printf("%d %d %lu %d\n", i, lines[i].result, lines[i].address, lines[i].place);
    puts("done");
}

int main(void) {
    char text[512], hex[256];
    int one, other, device, from, descriptor;
    cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (!cuda) return 9;
    int result = CALL("cuInit", (unsigned), 0);
    printf("ready");
    for (device = 0; device < DEVICES; device++) {
        int begun = result;
        if (!begun) begun = CALL("cuDevicePrimaryCtxRetain", (void **, int), &primary[device], device);
        if (begun) primary[device] = 0;
        if (!begun) begun = CALL("cuCtxSetCurrent", (void *), primary[device]);
        properties on_device = {1, 0, 1, device, {0}};
        if (!begun) CALL("cuMemPoolCreate", (uint64_t *, void *), &shared_pool[device].handle, &on_device);
        /* Of managed memory that need not lie anywhere: it is the current device's. */
        properties managed = {2, 0, 0, 0, {0}};
        if (!begun) CALL("cuMemPoolCreate", (uint64_t *, void *), &managed_pool[device].handle, &managed);
        printf(" %d", begun);
    }
    puts("");
    fflush(stdout);
    while (fgets(text, sizeof text, stdin)) {
        if (sscanf(text, "go %d", &count) == 1 && count <= LINES)
            go();
        else if (!strncmp(text, "rest", 4))
            for (device = 0; device < DEVICES; device++) rest_of(device);
        else if (sscanf(text, "reset %d", &device) == 1)
            primary_ends("cuDevicePrimaryCtxReset_v2", device);
        else if (sscanf(text, "release %d", &device) == 1)
            primary_ends("cuDevicePrimaryCtxRelease_v2", device);
        else if (!strncmp(text, "children", 8))
            children();
        else if (sscanf(text, "export %d %d", &one, &other) == 2)
            export_of(one, other);
        else if (sscanf(text, "import %d %d %d %255s", &one, &other, &device, hex) == 4)
            import_of(one, other, device, hex);
        else if (sscanf(text, "pass %d %d", &one, &other) == 2)
            pass(one, other);
        else if (sscanf(text, "accept %d %d %d %d %d", &one, &other, &device, &from, &descriptor) == 5)
            accept_of(one, other, device, from, descriptor);
        else if (sscanf(text, "send %d %d", &one, &other) == 2)
            send_of(one, other);
        else if (sscanf(text, "receive %d %d %d %255s", &one, &other, &device, hex) == 4)
            receive(one, other, device, hex);
        else
            break;
        fflush(stdout);
    }
    return 0;
}
