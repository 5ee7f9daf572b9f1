/* Calls what the interposers stand before, directly and by name. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    char direct[256] = "", found[256] = "";
    gethostname(direct, sizeof direct);
    int (*by_name)(char *, size_t) = dlsym(RTLD_DEFAULT, "gethostname");
    by_name(found, sizeof found);
    printf("hosts %s\n", strcmp(direct, found) ? "differ" : "agree");
    fflush(stdout);
    if (write(1, "written\n", 8) != 8) return 1;
    printf("missing: %s\n", dlsym(RTLD_DEFAULT, "no_such_function") ? "found" : dlerror());
    return 5;
}
