/* Arrays: numbers, and nothing behind them. A descriptor without a width is refused. */
static int make_array(void **array, const size_t *width) {
    static uint64_t next = 0x5000;
    calls++;
    if (!initialised) return 3;
    if (!current) return 201;
    if (!array || !width || !*width) return 1;
    if (refuses()) return 2;
    *array = (void *)(next += 16);
    return 0;
}
#define BUFFERS 0x600000000000
#define MIPMAPS 0x610000000000
static int unmap_external(uint64_t made);
static void forget_tiles(uint64_t array);
static int end_array(void *array) {
    forget_tiles((uint64_t)array);
    if ((uint64_t)array >> 40 == MIPMAPS >> 40) return unmap_external((uint64_t)array);
    return array ? 0 : 400;
}
int cuArrayCreate_v2(void **array, const size_t *d) { LOCKED(make_array(array, d)); }
int cuArray3DCreate_v2(void **array, const size_t *d) { LOCKED(make_array(array, d)); }
int cuArrayCreate(void **array, const unsigned *d) {
    size_t width = d ? *d : 0;
    LOCKED(make_array(array, &width));
}
int cuArray3DCreate(void **array, const unsigned *d) {
    size_t width = d ? *d : 0;
    LOCKED(make_array(array, &width));
}
int cuMipmappedArrayCreate(void **array, const size_t *d, unsigned levels) {
    LOCKED(make_array(array, d));
}
int cuArrayDestroy(void *array) { LOCKED(end_array(array)); }
int cuMipmappedArrayDestroy(void *array) { LOCKED(end_array(array)); }
