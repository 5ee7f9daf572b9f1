/* Needs libc alone: prints, writes to stderr, and exits with 3. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    char *text = malloc(64);
    snprintf(text, 64, "%d arguments, the last is %s", argc, argv[argc - 1]);
    puts(text);
    fputs("and a word on stderr\n", stderr);
    free(text);
    return 3;
}
