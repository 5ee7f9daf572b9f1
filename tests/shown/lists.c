/*
 * Asks NVML for processes in every way that its header knows, and prints one line for each: the
 * function, then what came of asking for the size, with room for more, with room for one, with a null
 * count, and with null places. An answer is result/count, a list the pid and the bytes of each entry.
 * The argument is the number of the device.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 1024
#define UNTOUCHED 0x77

typedef int (*list_of)(void *, unsigned *, void *);

/* A function, the size of an entry, and where its bytes are; 0: it has none. */
static const struct {
    const char *name;
    unsigned size, bytes;
} LISTS[] = {
    {"nvmlDeviceGetComputeRunningProcesses", 16, 8},
    {"nvmlDeviceGetComputeRunningProcesses_v2", 24, 8},
    {"nvmlDeviceGetComputeRunningProcesses_v3", 24, 8},
    {"nvmlDeviceGetGraphicsRunningProcesses", 16, 8},
    {"nvmlDeviceGetGraphicsRunningProcesses_v2", 24, 8},
    {"nvmlDeviceGetGraphicsRunningProcesses_v3", 24, 8},
    {"nvmlDeviceGetMPSComputeRunningProcesses", 16, 8},
    {"nvmlDeviceGetMPSComputeRunningProcesses_v2", 24, 8},
    {"nvmlDeviceGetMPSComputeRunningProcesses_v3", 24, 8},
    {"nvmlDeviceGetAccountingPids", 4, 0},
    {"nvmlDeviceGetEncoderSessions", 32, 0},
    {"nvmlDeviceGetFBCSessions", 48, 0},
    {"slot 213", 4128, 8},
    {"slot 214", 4128, 8},
    {"slot 215", 4128, 8},
};

typedef struct detail {
    unsigned pid;
    unsigned long long bytes;
    unsigned gpu, compute;
    unsigned long long protected_bytes;
} detail;
typedef struct detail_list {
    unsigned version, mode, count;
    detail *places;
} detail_list;
typedef struct sample {
    unsigned pid;
    unsigned long long time;
    unsigned sm, memory, encoder, decoder;
} sample;
typedef struct info {
    unsigned long long time;
    unsigned pid, sm, memory, encoder, decoder, jpeg, optical_flow;
} info;
typedef struct info_list {
    unsigned version, count;
    unsigned long long since;
    info *places;
} info_list;
static void *library, *device;
static char room[ROOM * 4128];

static unsigned number(const char *at) {
    unsigned value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void print(const char *at, unsigned count, unsigned size, unsigned bytes) {
    for (unsigned i = 0; i < count && i < ROOM; i++, at += size) {
        unsigned long long held = 0;
        if (bytes) memcpy(&held, at + bytes, sizeof held);
        printf(" %u=%llu", number(at), held);
        if (size >= 24 && (number(at + 16) != ~0u || number(at + 20) != ~0u)) printf("!instance");
    }
    for (const char *end = room + sizeof room; at < end; at++)
        if (*at != UNTOUCHED) {
            printf(" !beyond");
            break;
        }
}

static void ask_list(list_of list, unsigned size, unsigned bytes) {
    unsigned count = 0;
    if (!list) {
        printf(" absent\n");
        return;
    }
    int result = list(device, &count, 0);
    printf(" size %d/%u", result, count);
    memset(room, UNTOUCHED, sizeof room);
    count = ROOM;
    result = list(device, &count, room);
    printf(" all %d/%u", result, count);
    print(room, result ? 0 : count, size, bytes);
    memset(room, UNTOUCHED, sizeof room);
    count = 1;
    result = list(device, &count, room);
    printf(" one %d/%u", result, count);
    if (room[size] != UNTOUCHED) printf(" !beyond");
    printf(" no-count %d", list(device, 0, room));
    count = ROOM;
    printf(" no-places %d", list(device, &count, 0));
    count = 0;
    printf(" no-device %d\n", list(0, &count, 0));
}

static void ask_details(unsigned mode) {
    int (*list)(void *, detail_list *) = dlsym(library, "nvmlDeviceGetRunningProcessDetailList");
    static detail places[ROOM];
    detail_list asked = {sizeof asked | 1 << 24, mode, 0, 0};
    if (!list) return;
    int result = list(device, &asked);
    printf("details-%u size %d/%u", mode, result, asked.count);
    asked.count = ROOM;
    asked.places = places;
    result = list(device, &asked);
    printf(" all %d/%u", result, asked.count);
    for (unsigned i = 0; !result && i < asked.count; i++) printf(" %u=%llu", places[i].pid, places[i].bytes);
    asked.version = 7;
    result = list(device, &asked);
    printf(" wrong-version %d null %d\n", result, list(device, 0));
}

static void ask_usage(void) {
    int (*get)(void *, sample *, unsigned *, unsigned long long) =
        dlsym(library, "nvmlDeviceGetProcessUtilization");
    static sample places[ROOM];
    if (!get) return;
    unsigned count = 0;
    int result = get(device, 0, &count, 0);
    printf("usage size %d/%u", result, count);
    count = ROOM;
    result = get(device, places, &count, 0);
    printf(" all %d/%u", result, count);
    for (unsigned i = 0; !result && i < count; i++) printf(" %u=%u", places[i].pid, places[i].sm);
    printf(" null %d\n", get(device, places, 0, 0));

    int (*list)(void *, info_list *) = dlsym(library, "nvmlDeviceGetProcessesUtilizationInfo");
    static info infos[ROOM];
    if (!list) return;
    info_list asked = {sizeof asked | 1 << 24, 0, 0, 0};
    result = list(device, &asked);
    printf("infos size %d/%u", result, asked.count);
    asked.count = ROOM;
    asked.places = infos;
    result = list(device, &asked);
    printf(" all %d/%u", result, asked.count);
    for (unsigned i = 0; !result && i < asked.count; i++) printf(" %u=%u", infos[i].pid, infos[i].sm);
    printf(" null %d\n", list(device, 0));
}

int main(int argc, char **argv) {
    static const unsigned char uuid[16] = {0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e,
                                           0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4};
    library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (!library || argc < 2) return 9;
    int (*start)(void) = dlsym(library, "nvmlInit_v2");
    int (*handle)(unsigned, void **) = dlsym(library, "nvmlDeviceGetHandleByIndex_v2");
    int (*tables)(void **, const void *) = dlsym(library, "nvmlInternalGetExportTable");
    void **table = 0;
    if (start() || handle(atoi(argv[1]), &device) || tables((void **)&table, uuid)) return 8;
    for (unsigned i = 0; i < sizeof LISTS / sizeof *LISTS; i++) {
        const char *name = LISTS[i].name;
        void *list = name[0] == 's' ? table[atoi(name + 5)] : dlsym(library, name);
        printf("%s", name);
        ask_list((list_of)list, LISTS[i].size, LISTS[i].bytes);
    }
    ask_details(0);
    ask_details(1);
    ask_usage();
    printf("end\n");
    return 0;
}
