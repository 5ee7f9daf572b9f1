/* Forks while another thread stands in dl_iterate_phdr, as one that unwinds does: before 2.37, glibc leaves
   the loader's lock as it is in the child, and whoever lists the objects there waits for ever. dlsym
   does not, so the child's look-ups must come back; it has ten seconds for them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static sem_t inside, leave;

static int stand(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)object, (void)size, (void)unused;
    sem_post(&inside);
    sem_wait(&leave);
    return 1;
}

static void *iterate(void *unused) {
    dl_iterate_phdr(stand, NULL);
    return unused;
}

/* In the child: a function of libc, one that is nowhere, and one of the driver, which it loads. */
static int look_up(void *driver) {
    alarm(10);
    int ok = dlsym(RTLD_DEFAULT, "getpid") && !dlsym(RTLD_DEFAULT, "cuNoSuchFunction");
    int (*init)(unsigned) = (int (*)(unsigned))dlsym(driver, "cuDriverGetVersion");
    int (*alloc)(void) = (int (*)(void))dlsym(driver, "cuMemAlloc_v2");
    return ok && init && alloc ? 42 : 1;
}

int main(void) {
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (!driver) return 2;
    pthread_t thread;
    sem_init(&inside, 0, 0);
    sem_init(&leave, 0, 0);
    pthread_create(&thread, NULL, iterate, NULL);
    sem_wait(&inside);
    pid_t child = fork();
    if (child == 0) _exit(look_up(driver));
    int status = 0;
    waitpid(child, &status, 0);
    sem_post(&leave);
    pthread_join(thread, NULL);
    int well = WIFEXITED(status) && WEXITSTATUS(status) == 42;
    puts(well ? "the child was well" : "the child did not come back");
    return !well;
}
