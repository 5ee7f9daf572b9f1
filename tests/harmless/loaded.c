/* Says whether the shim is among the loaded objects, and exits with 3. */
#define _GNU_SOURCE
#include <link.h>
#include <stdio.h>
#include <string.h>

static int is_shim(struct dl_phdr_info *info, size_t size, void *found) {
    (void)size;
    if (info->dlpi_name && strstr(info->dlpi_name, "libaliquot")) *(int *)found = 1;
    return 0;
}

int main(void) {
    int found = 0;
    dl_iterate_phdr(is_shim, &found);
    puts(found ? "with the shim" : "alone");
    return 3;
}
