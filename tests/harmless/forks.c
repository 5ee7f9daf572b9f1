/* Forks again and again while four threads allocate, load and look up. Each child does the same
   once, and answers with its exit status. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKS = 300, THREADS = 4 };
static volatile int stop;

static int touch(void) {
    char *memory = malloc(100);
    int ok = memory && dlsym(RTLD_DEFAULT, "getpid") && !dlsym(RTLD_DEFAULT, "cuNoSuchFunction");
    free(memory);
    return ok;
}

static void *allocate(void *unused) {
    while (!stop) if (!touch()) abort();
    return unused;
}

int main(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, allocate, NULL);
    int good = 0;
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child == 0) _exit(touch() ? 42 : 1);
        int status = 0;
        waitpid(child, &status, 0);
        good += WIFEXITED(status) && WEXITSTATUS(status) == 42;
    }
    stop = 1;
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    printf("%d of %d children were well\n", good, FORKS);
    return good == FORKS ? 0 : 1;
}
