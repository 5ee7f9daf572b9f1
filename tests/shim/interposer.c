/*
 * Another library that stands before cuMemAlloc_v2: with -DEXPORTS by its export, which calls the next
 * definition; with -DLOOKS_UP by a dlsym of its own, as overlays and profilers do. It counts what it
 * sees, and says so at the end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int seen;
static int (*real)(uint64_t *, size_t);

#ifdef EXPORTS
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    seen++;
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "cuMemAlloc_v2");
    return real ? real(address, bytes) : 3;
}
#endif

#ifdef LOOKS_UP
static int own(uint64_t *address, size_t bytes) {
    seen++;
    return real(address, bytes);
}

void *dlsym(void *handle, const char *name) {
    static void *(*next)(void *, const char *);
    if (!next) *(void **)&next = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    void *found = next(handle, name);
    if (!found || strcmp(name, "cuMemAlloc_v2")) return found;
    if (found != (void *)own) *(void **)&real = found;
    return own;
}
#endif

__attribute__((destructor)) static void say(void) { fprintf(stderr, "interposer saw %d\n", seen); }
