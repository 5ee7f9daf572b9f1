/*
 * A program that takes device memory in every way, for tests of what is counted: it runs the commands
 * that its arguments name and prints one line for each. What a command is given stands behind its
 * name, as in create=0,2 : place 0, 2 MiB. "left" is what cuMemGetInfo calls free, in MiB below the
 * total; "living" is what the stand-in driver says lives. A command after cancel=n runs in a thread
 * that is cancelled in the n-th of its calls of the driver, or behind it where n is above 200.
 */
#include "client/contexts.h"
#include "client/graphs.h"
#include "client/memory.h"
#include "client/pools.h"
#include "client/process.h"
#include "client/shared.h"
#include "client/vmm.h"

static int (*const families[])(struct word *) = {contexts_word, vmm_word,    shared_word, pools_word,
                                                 memory_word,   graphs_word, process_word};

static void run(char *text) {
    struct word word = {.text = text};
    int said = NOT_MINE;
    sscanf(text, "%31[^=]=%lu,%lu,%lu", word.command, &word.a, &word.b, &word.c);
    errno = 77;
    for (size_t i = 0; i < sizeof families / sizeof *families && said == NOT_MINE; i++)
        said = families[i](&word);
    if (said == NOT_MINE) not_known(text);
    if (said == SILENT) return;
    int is_kept = errno == 77 || !strcmp(word.command, "fork");
    printf("%s %d%s\n", text, word.result, is_kept ? "" : " errno-changed");
    fflush(stdout);
}

/* The driver's call, of those that the next command makes, in which its thread is cancelled. */
static int cancel_at;
static int is_done;
static void *in_a_thread(void *text) {
    CALL("cuCtxSetCurrent", (void *), context);
    CALL("standin_arm", (int), cancel_at);
    run(text);
    CALL("standin_arm", (int), 0);
    __atomic_store_n(&is_done, 1, __ATOMIC_SEQ_CST);
    return 0;
}
static void run_cancelled(char *text) {
    pthread_t thread;
    void *result = 0;
    is_done = 0;
    int before = CALL("standin_waiting", (void));
    pthread_create(&thread, 0, in_a_thread, text);
    while (!__atomic_load_n(&is_done, __ATOMIC_SEQ_CST) && CALL("standin_waiting", (void)) == before)
        usleep(100);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    if (result == PTHREAD_CANCELED) puts("cancelled");
    fflush(stdout);
    cancel_at = 0;
}

int main(int count, char **arguments) {
    open_driver();
    for (int i = 1; i < count; i++) {
        if (sscanf(arguments[i], "cancel=%d", &cancel_at) == 1) continue;
        if (cancel_at) run_cancelled(arguments[i]);
        else run(arguments[i]);
    }
    puts("end");
    return 0;
}
