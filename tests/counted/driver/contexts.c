/* Green contexts: numbers, each of which keeps the primary one; and a driver that does not say which that is. */
void standin_mute(int mute) { is_mute = mute; }
int cuGreenCtxCreate(void **made, void *resources, int device, unsigned flags) {
    if (device < 0 || device >= CARDS) return 101;
    retained[device]++;
    *made = (void *)(uint64_t)(0x4000 + device);
    return 0;
}
int cuGreenCtxDestroy(void *green) { return cuDevicePrimaryCtxRelease_v2((int)((uint64_t)green - 0x4000)); }
/* In which a program works; nobody sees them begin. */
static context of_green[CARDS] = {{0, 0}, {1, 0}};
int cuCtxFromGreenCtx(context **ctx, void *green) {
    *ctx = &of_green[(uint64_t)green - 0x4000];
    return 0;
}

/* References to one context beyond its first. */
static atomic_int attached;
int cuCtxAttach(context **ctx, unsigned flags) {
    if (!current) return 201;
    attached++;
    *ctx = current;
    return 0;
}
int cuCtxDetach(context *ctx) {
    if (!attached) return cuCtxDestroy_v2(ctx);
    attached--;
    return come_back(DETACH, 0);
}

/* The process that it is told to restore: so a test sees that it was asked. */
int cuCheckpointProcessRestore(int process, void *args) { return process; }
