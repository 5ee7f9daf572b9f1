// A program without a dynamic loader that speaks to the driver's node itself: no preload can reach it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void say(int node, const char *words) {
    static char answer[160 * 1024];
    if (send(node, words, strlen(words), 0) < 0 || recv(node, answer, sizeof answer - 1, 0) <= 0) {
        perror("the driver's node");
        exit(1);
    }
    puts(answer);
}

// static PROTOCOL BYTES: takes BYTES of card 0 and holds them.
int main(int argc, char **argv) {
    if (argc != 3) return 2;
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/dev/nvidiactl"};
    int node = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (node < 0 || connect(node, (struct sockaddr *)&at, sizeof at) != 0) {
        perror("/dev/nvidiactl");
        return 1;
    }
    char words[256];
    snprintf(words, sizeof words, "{\"Hello\":{\"protocol\":%s}}", argv[1]);
    say(node, words);
    snprintf(words, sizeof words,
             "{\"Take\":{\"card\":0,\"slice\":null,\"kind\":\"Context\",\"bytes\":%s}}", argv[2]);
    say(node, words);
    fflush(stdout);
    pause();
}
