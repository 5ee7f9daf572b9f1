/* Starts thousands of short processes and adds up how they ended. */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv) {
    int count = argc > 2 ? atoi(argv[1]) : 0, good = 0, bad = 0;
    for (int i = 0; i < count; i++) {
        char *words[] = {argv[2], "x", NULL};
        pid_t child;
        int status = 0;
        if (posix_spawn(&child, argv[2], NULL, NULL, words, environ)) return 1;
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) good++;
        else bad++;
    }
    printf("%d ended well, %d did not\n", good, bad);
    return 0;
}
