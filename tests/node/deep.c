// A library that is opened with RTLD_DEEPBIND: what it calls is found in what it needs itself, before
// every preload.
typedef unsigned long long address;
int cuInit(unsigned flags);
int cuDeviceGet(int *device, int ordinal);
int cuCtxCreate_v2(void **context, unsigned flags, int device);
int cuMemAlloc_v2(address *to, unsigned long bytes);

int take(unsigned long bytes) {
    int device;
    void *context;
    address to;
    int error = cuInit(0);
    if (error == 0) error = cuDeviceGet(&device, 0);
    if (error == 0) error = cuCtxCreate_v2(&context, 0, device);
    if (error == 0) error = cuMemAlloc_v2(&to, bytes);
    return error;
}
