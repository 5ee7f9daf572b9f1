/*
 * A management library for tests of its private table, of accounting and of how busy processes are: a
 * card with a hundred processes of other people's, all with pid 4242 and up. BYTES is the size of the
 * table (by default 535's), HOLE a slot that is null. SAMPLES is how many processes were busy, at each
 * question one more than before, and LAST the pid of the last one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID = 2, NOT_FOUND = 6, SHORT = 7, OTHERS = 100, SLOTS = 2000 };

typedef struct entry {
    unsigned pid;
    unsigned long long bytes;
    unsigned gpu, compute;
    unsigned long long unknown;
    char name[4096];
} entry;
typedef struct stats {
    unsigned gpu, memory;
    unsigned long long most, time, start;
    unsigned is_running, reserved[5];
} stats;

int nvmlInit_v2(void) { return SUCCESS; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    static char cards[2];
    if (index > 1) return INVALID;
    *device = &cards[index];
    return SUCCESS;
}

int nvmlDeviceGetUUID(void *device, char *text, unsigned length) {
    (void)device;
    snprintf(text, length, "GPU-11111111-1111-1111-1111-111111111111");
    return SUCCESS;
}

static int list(void *device, unsigned *count, entry *places) {
    if (!device || !count) return INVALID;
    unsigned room = *count;
    *count = OTHERS;
    if (room < OTHERS) return SHORT;
    if (!places) return INVALID;
    for (unsigned i = 0; i < OTHERS; i++) {
        memset(&places[i], 0, sizeof places[i]);
        places[i].pid = 4242 + i;
    }
    return SUCCESS;
}

int nvmlDeviceGetAccountingPids(void *device, unsigned *count, unsigned *pids) {
    if (!device || !count) return INVALID;
    unsigned room = *count;
    *count = OTHERS;
    if (room < OTHERS) return SHORT;
    if (!pids) return INVALID;
    for (unsigned i = 0; i < OTHERS; i++) pids[i] = 4242 + i;
    return SUCCESS;
}

int nvmlDeviceGetEncoderSessions(void *device, unsigned *count, void *places) {
    if (!device || !count) return INVALID;
    unsigned room = *count;
    *count = OTHERS;
    if (room < OTHERS) return SHORT;
    if (!places) return INVALID;
    memset(places, 1, OTHERS * 32);
    return SUCCESS;
}

int nvmlDeviceGetFBCSessions(void *device, unsigned *count, void *places) {
    return nvmlDeviceGetEncoderSessions(device, count, places);
}

int nvmlDeviceGetAccountingStats(void *device, unsigned pid, stats *told) {
    if (!device || !told) return INVALID;
    if (pid < 4242 || pid >= 4242 + OTHERS) return NOT_FOUND;
    memset(told, 1, sizeof *told);
    return SUCCESS;
}

typedef struct sample {
    unsigned pid;
    unsigned long long time;
    unsigned sm, memory, encoder, decoder;
} sample;
typedef struct info {
    unsigned long long time;
    unsigned pid, sm, memory, encoder, decoder, jpeg, optical_flow;
} info;
typedef struct infos {
    unsigned version, count;
    unsigned long long since;
    info *places;
} infos;

/* Whether there is room for what is to be told, of which the count is raised to. */
static int room_for_busy(unsigned *count) {
    static unsigned more;
    const char *busy = getenv("SAMPLES");
    unsigned room = *count, last = busy ? atoi(busy) + more++ : 0;
    *count = last;
    return !last ? NOT_FOUND : room < last ? SHORT : SUCCESS;
}
static unsigned busy_pid(unsigned i, unsigned count) {
    return i + 1 == count ? atoi(getenv("LAST")) : 100000000 + i;
}

int nvmlDeviceGetProcessUtilization(void *device, sample *places, unsigned *count, unsigned long long since) {
    if (!device || !count) return INVALID;
    int result = room_for_busy(count);
    for (unsigned i = 0; !result && i < *count; i++)
        places[i] = (sample){busy_pid(i, *count), since + 1, 37, 0, 0, 0};
    return result;
}

int nvmlDeviceGetProcessesUtilizationInfo(void *device, infos *asked) {
    if (!device || !asked) return INVALID;
    int result = room_for_busy(&asked->count);
    for (unsigned i = 0; !result && i < asked->count; i++)
        asked->places[i] = (info){asked->since + 1, busy_pid(i, asked->count), 38};
    return result;
}

static void *table[SLOTS];

int nvmlInternalGetExportTable(void **place, const unsigned char *uuid) {
    static const unsigned char known[4] = {0xc4, 0xfe, 0x3e, 0x6c};
    const char *bytes = getenv("BYTES"), *hole = getenv("HOLE");
    if (!place || !uuid) return INVALID;
    if (memcmp(uuid, known, 4)) return NOT_FOUND;
    size_t size = bytes ? strtoul(bytes, 0, 0) : 0x7a8;
    for (size_t i = 1; i < SLOTS && i < size / sizeof *table; i++) table[i] = (void *)list;
    if (hole) table[atoi(hole)] = 0;
    table[0] = (void *)size;
    *place = table;
    return SUCCESS;
}
