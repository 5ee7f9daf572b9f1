/* Says who it is and whether the kernel started it as a secure program. */
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>

int main(void) {
    printf("uid %d euid %d gid %d egid %d secure %lu\n", getuid(), geteuid(), getgid(), getegid(),
           getauxval(AT_SECURE));
    return 4;
}
