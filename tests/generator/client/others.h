/* Memory from one process to another, while no thread runs: by handles of plain memory, by descriptors, and by handles for
 * other nodes. */
#pragma once
#include "objects.h"
#include "world.h"

/* The next place of a thread, from one on, that has this in it. */
static int next_place(int thread, int place, const char *kind) {
    for (int i = 0; i < PLACES; i++, place = (place + 1) % PLACES)
        if (!strcmp(threads[thread].places[place].kind, kind)) break;
    return place;
}

static void print_hex(const void *bytes) {
    for (int i = 0; i < 64; i++) printf("%02x", ((const unsigned char *)bytes)[i]);
    puts("");
}
static void read_hex(void *bytes, const char *hex) {
    for (int i = 0; i < 64; i++) sscanf(hex + 2 * i, "%2hhx", (unsigned char *)bytes + i);
}

/* The next place, from this one of this thread on, that another process may be given: plain memory; or memory that has a
 * descriptor of its handle, or the handle itself. Who has that by an import of its own gives it to nobody. */
enum { PLAIN, BY_DESCRIPTOR, BY_FABRIC };
static struct place *next_given(int *thread, int *place, int how) {
    for (int i = 0; i < THREADS * PLACES; i++) {
        struct place *at = &threads[*thread].places[*place];
        if (how == PLAIN && WAS("linear")) return at;
        if (how == BY_DESCRIPTOR && at->descriptor && at->is_of_handle && !at->again) return at;
        if (how == BY_FABRIC && WAS("create") && !at->again) return at;
        *place = (*place + 1) % PLACES;
        if (!*place) *thread = (*thread + 1) % THREADS;
    }
    return 0;
}

/* What came of it, which place it is of and of which device: what the other process is told stands behind that. */
static int given(int result, const struct place *at, int thread, int place) {
    printf("%d %d %d %d ", result, thread, place, at ? at->device : 0);
    if (result) puts("-");
    return result;
}

static void export_of(int thread, int place) {
    unsigned char handle[64] = {0};
    struct place *at = next_given(&thread, &place, PLAIN);
    int result = at ? CALL("cuIpcGetMemHandle", (void *, uint64_t), handle, at->handle) : SKIPPED;
    if (!given(result, at, thread, place)) print_hex(handle);
}

static void pass(int thread, int place) {
    struct place *at = next_given(&thread, &place, BY_DESCRIPTOR);
    if (given(at ? 0 : SKIPPED, at, thread, place)) return;
    at->is_passed = 1;
    printf("%d %d\n", getpid(), at->descriptor);
}

static void send_of(int thread, int place) {
    fabric handle;
    struct place *at = next_given(&thread, &place, BY_FABRIC);
    if (given(at ? export_fabric(at, &handle) : SKIPPED, at, thread, place)) return;
    at->is_passed = 1;
    print_hex(&handle);
}

typedef struct {
    unsigned char bytes[64];
} ipc;

static void import_of(int thread, int place, int device, const char *hex) {
    ipc handle;
    place = next_place(thread, place, "");
    struct place *at = &threads[thread].places[place];
    int result = SKIPPED;
    read_hex(&handle, hex);
    CALL("cuCtxSetCurrent", (void *), primary[device]);
    if (!*at->kind) {
        result = CALL("cuIpcOpenMemHandle_v2", (uint64_t *, ipc, unsigned), &at->handle, handle, 1);
        if (!result) {
            strcpy(at->kind, "import");
            at->context = primary[device];
            at->device = device;
        }
    }
    printf("%d %d\n", result, place);
}

/* What came of an import into a place. */
static void taken(int result, struct place *at, int place, int device) {
    if (!result) {
        strcpy(at->kind, "foreign");
        at->device = device;
    }
    printf("%d %d\n", result, place);
}

/* It takes a copy of the descriptor as one that was sent to it, and lets go of that when it has the memory. */
static void accept_of(int thread, int place, int device, int from, int descriptor) {
    place = next_place(thread, place, "");
    struct place *at = &threads[thread].places[place];
    int process = (int)syscall(SYS_pidfd_open, from, 0);
    int copy = (int)syscall(SYS_pidfd_getfd, process, descriptor, 0);
    int result = *at->kind || copy < 0 ? SKIPPED : import_descriptor(&at->handle, copy);
    if (copy >= 0) close(copy);
    if (process >= 0) close(process);
    taken(result, at, place, device);
}

static void receive(int thread, int place, int device, const char *hex) {
    fabric handle;
    place = next_place(thread, place, "");
    struct place *at = &threads[thread].places[place];
    read_hex(&handle, hex);
    taken(*at->kind ? SKIPPED : import_fabric(&at->handle, &handle), at, place, device);
}
