/* An interposer of dlsym itself, as tracers are: it finds the next one by its version and passes
   every look-up on, counting those that look like the driver's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#ifdef __aarch64__
#define OLDEST "GLIBC_2.17"
#else
#define OLDEST "GLIBC_2.2.5"
#endif

static unsigned seen;

void *dlsym(void *handle, const char *name) {
    static void *(*next)(void *, const char *);
    if (!next) next = dlvsym(RTLD_NEXT, "dlsym", OLDEST);
    if (!strncmp(name, "gethost", 7)) seen++;
    return next(handle, name);
}

__attribute__((destructor)) static void report(void) {
    printf("lookup: %u seen\n", seen);
}
