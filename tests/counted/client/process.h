/* What the process says of itself, waits for and ends by. */
#pragma once
#include "vmm.h"

static volatile int is_blocked;
static void blocks(void *unused) {
    while (is_blocked) usleep(100);
}

/* How much this process has mapped, in MiB. */
static uint64_t mapped(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu", &pages) != 1) exit(8);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE) / MIB;
}

/* What is free and there of the current device, what there is by its number, and both in the forms of 32 bits; in
 * MiB, 4096 where such a form has no room for more. */
static void shown(void) {
    size_t free = 0, total = 0, all = 0;
    unsigned old[3] = {0};
    CALL("cuMemGetInfo_v2", (size_t *, size_t *), &free, &total);
    CALL("cuDeviceTotalMem_v2", (size_t *, int), &all, 0);
    CALL("cuMemGetInfo", (unsigned *, unsigned *), &old[0], &old[1]);
    CALL("cuDeviceTotalMem", (unsigned *, int), &old[2], 0);
    printf("shown %llu %llu %llu", free / MIB, total / MIB, all / MIB);
    for (int i = 0; i < 3; i++) printf(" %llu", (old[i] + MIB - 1) / MIB);
    puts("");
}

static int process_word(struct word *word) {
    char *text = word->text;
    const char *command = word->command;
    uint64_t a = word->a;
    int result = 0;
    if (IS("block")) {
        is_blocked = 1;
        result = CALL("cuLaunchHostFunc", (void *, void (*)(void *), void *), 0, blocks, 0);
    } else if (IS("unblock"))
        is_blocked = 0;
    else if (IS("sync"))
        result = CALL("cuCtxSynchronize", (void));
    else if (IS("addresses")) {
        /* addresses=0: the kernel gives no more than there are; else as many as wanted. */
        struct rlimit of = {a ? RLIM_INFINITY : mapped() * MIB, RLIM_INFINITY};
        result = setrlimit(RLIMIT_AS, &of);
    } else if (IS("mapped")) {
        printf("%s %lu\n", text, mapped());
        return SILENT;
    } else if (IS("faults")) {
        struct rusage of;
        getrusage(RUSAGE_SELF, &of);
        printf("%s %ld\n", text, of.ru_minflt);
        return SILENT;
    } else if (IS("shown")) {
        shown();
        return SILENT;
    } else if (IS("used")) {
        printf("%s %.3f\n", text, in_use() / (double)MIB);
        fflush(stdout);
        return SILENT;
    } else if (IS("living")) {
        printf("%s %llu\n", text, ((unsigned long long (*)(void))dlsym(cuda, "standin_living"))() / MIB);
        fflush(stdout);
        return SILENT;
    } else if (IS("fork")) {
        int status;
        pid_t child = fork();
        if (!child) {
            result = release(place[a]);
            _exit(0);
        }
        waitpid(child, &status, 0);
        result = status;
    } else if (IS("die")) {
        raise(SIGKILL);
    } else if (IS("wait")) {
        wait_for_the_test();
        return SILENT;
    } else
        return NOT_MINE;
    word->result = result;
    return SAID;
}
