// opener LIBRARY BYTES: opens a library in front of every preload, and holds what it takes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
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
