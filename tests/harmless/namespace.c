/* Loads the driver into a namespace of the loader of its own, as some plug-in hosts do, and once
   more into the usual one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

static int try_driver(void *driver) {
    int version = 0;
    int (*get)(int *) = dlsym(driver, "cuDriverGetVersion"), (*init)(unsigned) = dlsym(driver, "cuInit");
    if (!get || !init) return puts("absent"), 1;
    printf("cuInit %d, version %d %d\n", init(0), get(&version), version);
    return dlclose(driver);
}

int main(void) {
    void *apart = dlmopen(LM_ID_NEWLM, "libcuda.so.1", RTLD_NOW);
    if (!apart) return puts(dlerror()), 1;
    int failed = try_driver(apart);
    void *usual = dlopen("libcuda.so.1", RTLD_NOW);
    return failed | try_driver(usual);
}
