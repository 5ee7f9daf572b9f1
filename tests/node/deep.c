// A library that is opened with RTLD_DEEPBIND: what it calls is found in what it needs itself, before
// every preload.
typedef unsigned long long address;
int cuInit(unsigned flags);
int cuDeviceGet(int *device, int ordinal);
int cuCtxCreate_v2(void **context, unsigned flags, int device);
int cuMemAlloc_v2(address *to, unsigned long bytes);
int cuModuleLoadData(void **module, const void *image);
int cuModuleGetFunction(void **function, void *module, const char *name);
int cuLaunchKernel(void *function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *stream,
                   void **parameters, void **extra);
int cuCtxSynchronize(void);

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

// Keeps the current context's device busy, and tells nobody.
int keep_busy(void) {
    void *module, *kernel;
    int error = cuModuleLoadData(&module, "any image");
    if (error == 0) error = cuModuleGetFunction(&kernel, module, "spin_us_1000");
    for (int i = 0; error == 0; i++) {
        error = cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0);
        if (error == 0 && i % 16 == 15) error = cuCtxSynchronize();
    }
    return error;
}
