/* A program that names the driver at link time, weakly and strongly. */
#include <stdint.h>
#include <stdio.h>

int cuInit(unsigned);
int cuDriverGetVersion(int *);
int cuNoSuchFunction(void) __attribute__((weak));

int main(void) {
    int version = 0;
    int result = cuInit(0);
    cuDriverGetVersion(&version);
    printf("%d %d %s\n", result, version, cuNoSuchFunction ? "found" : "absent");
    return 0;
}
