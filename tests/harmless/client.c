/* A program that loads the driver as CUDA's runtime does, and prints what it got. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

typedef int (*Init)(unsigned);
typedef int (*Alloc)(uint64_t *, size_t);
typedef int (*Free)(uint64_t);
typedef int (*Retain)(void **, int);
typedef int (*SetCurrent)(void *);
typedef int (*GetProcAddress)(const char *, void **, int, uint64_t, int *);

static void *look_up(void *handle, const char *name) {
    void *found = dlsym(handle, name);
    printf("%s %s\n", name, found ? "found" : "absent");
    return found;
}

int main(void) {
    /* Before the driver is loaded nothing of it may be found. */
    look_up(RTLD_DEFAULT, "cuInit");
    look_up(RTLD_DEFAULT, "cuMemAlloc_v2");
    look_up(RTLD_DEFAULT, "nvmlInit_v2");
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (!driver) return puts(dlerror()), 1;
    look_up(driver, "cuNoSuchFunction");
    look_up(driver, "nvmlInit_v2");
    Init init = (Init)look_up(driver, "cuInit");
    GetProcAddress get = (GetProcAddress)look_up(driver, "cuGetProcAddress_v2");
    void *retain, *set, *alloc, *release, *nothing = &nothing;
    int status = -1;
    get("cuDevicePrimaryCtxRetain", &retain, 12000, 0, NULL);
    get("cuCtxSetCurrent", &set, 12000, 0, NULL);
    get("cuMemAlloc", &alloc, 3020, 0, &status);
    get("cuMemFree", &release, 3020, 0, NULL);
    int result = get("cuNoSuchFunction", &nothing, 12000, 0, &status);
    printf("unknown: %d, %s, status %d\n", result, nothing ? "found" : "absent", status);
    printf("cuInit(1): %d\n", init(1));
    printf("cuInit: %d\n", init(0));
    void *context = NULL;
    printf("retain: %d\n", ((Retain)retain)(&context, 0));
    printf("current: %d\n", ((SetCurrent)set)(context));
    uint64_t pointer = 0;
    for (int i = 0; i < 1000; i++) {
        if (((Alloc)alloc)(&pointer, 1 << 20) || ((Free)release)(pointer)) return 2;
    }
    puts("1000 pairs");
    dlclose(driver);
    return 0;
}
