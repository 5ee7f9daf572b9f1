/* A program that uses the driver if it is there, by weak references. */
#include <stdint.h>
#include <stdio.h>

extern int cuInit(unsigned) __attribute__((weak));
extern int cuMemAlloc_v2(uint64_t *, size_t) __attribute__((weak));
extern int nvmlDeviceGetMemoryInfo(void *, void *) __attribute__((weak));

int main(void) {
    uint64_t address;
    if (cuInit)
        printf("init %d alloc %d nvml %d\n", cuInit(0), cuMemAlloc_v2(&address, 1 << 20),
               nvmlDeviceGetMemoryInfo(0, 0));
    else
        puts("absent");
    puts("end");
    return 0;
}
