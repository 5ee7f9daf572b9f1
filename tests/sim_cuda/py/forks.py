"""Forks, ends of processes, and ends of worlds."""

import os
import signal
import threading
import time

from cu import *


def in_child(check):
    """Runs a check in a fork; its failure is the parent's."""
    child = os.fork()
    if child == 0:
        try:
            check()
            os._exit(0)
        except AssertionError as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with {status}"


def after_init():
    primary()
    address = alloc(1 << 20)
    call("cuMemsetD8_v2", address, 7, S(1 << 20))

    def refused():
        call("cuInit", 0, answers=3)
        call("cuDeviceGetCount", ref(I32()), answers=3)
        call("cuMemAlloc_v2", ref(U64()), S(1), answers=3)
        call("cuMemFree_v2", address, answers=3)
        call("cuCtxSynchronize", answers=3)
        made("cuDriverGetVersion", kind=I32)

    in_child(refused)
    assert read(address, 4) == b"\7" * 4
    call("cuMemFree_v2", address)


def before_init():
    made("cuDriverGetVersion", kind=I32)

    def used():
        primary()
        alloc(1 << 20)

    in_child(used)
    in_child(used)
    used()


def world_ends(daemon):
    primary()
    address = alloc(4 << 20)
    os.kill(int(daemon), signal.SIGKILL)
    patience = time.monotonic() + 30
    while lib.cuMemAlloc_v2(ref(U64()), S(4 << 20)) == 0:
        assert time.monotonic() < patience
    assert lib.cuMemGetInfo_v2(ref(S()), ref(S())) != 0
    call("cuMemFree_v2", address)


def loses_its_card():
    primary()
    address = alloc(4 << 20)

    def told():
        print("ready", flush=True)
        assert sys.stdin.readline() == "done\n"

    told()
    for _ in range(2):
        call("cuMemAlloc_v2", ref(U64()), S(4 << 20), answers=999)
        call("cuCtxSynchronize", answers=999)
        call("cuMemcpyDtoH_v2", ctypes.create_string_buffer(1), address, S(1), answers=999)
    told()
    primary()


def at_exit():
    primary()
    alloc(4 << 20)
    launch(kernel("spin_ms_20"))
    libc = ctypes.CDLL(None)
    for name in ("cuCtxSynchronize", "cuProfilerStop"):
        assert libc.__cxa_atexit(ctypes.cast(getattr(lib, name), P), None, None) == 0
    threading.Thread(target=lambda: lib.cuCtxSynchronize(), daemon=True).start()


main(globals())
