// opener LIBRARY BYTES: opens a library in front of every preload, and holds what it takes.
// opener LIBRARY busy: takes its memory as everybody does, and computes through that library.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Through the preload: the process has a slot, and its memory is counted.
static int begin(void) {
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW), *context, *memory;
    if (!cuda) return -1;
    int error = ((int (*)(unsigned))dlsym(cuda, "cuInit"))(0);
    if (error == 0) error = ((int (*)(void **, unsigned, int))dlsym(cuda, "cuCtxCreate_v2"))(&context, 0, 0);
    if (error == 0) error = ((int (*)(void **, unsigned long))dlsym(cuda, "cuMemAlloc_v2"))(&memory, 1 << 20);
    return error;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    if (strcmp(argv[2], "busy") == 0) {
        int error = begin();
        void *deep = dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND);
        int (*keep_busy)(void) = deep ? (int (*)(void))dlsym(deep, "keep_busy") : NULL;
        if (error == 0 && keep_busy) error = keep_busy();
        printf("ended: %d\n", error);
        return 1;
    }
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND);
    int (*take)(unsigned long) = library ? (int (*)(unsigned long))dlsym(library, "take") : NULL;
    if (!take) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    printf("took: %d\n", take(strtoul(argv[2], NULL, 10)));
    fflush(stdout);
    pause();
}
