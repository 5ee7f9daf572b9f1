/* Four threads load the driver, look its functions up, call one, and unload it, again and again. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

enum { ROUNDS = 500, THREADS = 4 };

static void *churn(void *result) {
    for (int i = 0; i < ROUNDS; i++) {
        void *driver = dlopen("libcuda.so.1", i % 2 ? RTLD_NOW : RTLD_LAZY | RTLD_GLOBAL);
        if (!driver) return NULL;
        int (*version)(int *) = dlsym(driver, "cuDriverGetVersion");
        void *init = dlsym(driver, "cuInit"), *alloc = dlsym(driver, "cuMemAlloc_v2");
        int number = 0;
        if (!version || !init || !alloc || version(&number) || number != 13000) return NULL;
        if (dlsym(driver, "cuNoSuchFunction")) return NULL;
        dlclose(driver);
    }
    return result;
}

int main(void) {
    pthread_t threads[THREADS];
    int good = 0, mark;
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, churn, &mark);
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        good += result == &mark;
    }
    printf("%d of %d threads were well\n", good, THREADS);
    return good == THREADS ? 0 : 1;
}
