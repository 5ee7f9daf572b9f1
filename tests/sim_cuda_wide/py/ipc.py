"""Memory of one process in another: a parent that exports, and a child, forked before cuInit, that opens."""

import os
import socket

from wide import *


class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_char * 64)]


def raw(handle):
    return ctypes.string_at(ctypes.addressof(handle), 64)


def with_child(child, parent):
    """Runs both, joined by a socket; the child's failed assertion is ours."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        child(theirs)
        os._exit(0)
    theirs.close()
    parent(ours)
    assert os.waitpid(pid, 0)[1] == 0


def shared():
    def child(peer):
        primary()
        handle, before = Handle.from_buffer_copy(peer.recv(64)), free_bytes()
        call("cuIpcOpenMemHandle_v2", ref(U64()), handle, 0, answers=1)
        here = made("cuIpcOpenMemHandle_v2", handle, 1, kind=U64)
        assert free_bytes() == before
        assert made("cuIpcOpenMemHandle", handle, 1, kind=U64).value == here.value
        assert read(here, 9) == b"from here"
        call("cuMemcpyHtoD_v2", U64(here.value + 99_990), b"from there", S(10))
        call("cuMemcpyHtoD_v2", U64(here.value + 99_991), b"from there", S(10), answers=1)
        call("cuMemFree_v2", here, answers=1)
        call("cuIpcGetMemHandle", ref(Handle()), here, answers=1)
        call("cuIpcCloseMemHandle", here)
        assert read(here, 9) == b"from here"
        call("cuIpcCloseMemHandle", here)
        call("cuIpcCloseMemHandle", here, answers=1)
        call("cuMemcpyHtoD_v2", here, b"x", S(1), answers=1)
        call("cuIpcOpenMemHandle_v2", ref(U64()), Handle(b"nobody's"), 1, answers=1)
        opened = made("cuIpcOpenMemHandle_v2", handle, 1, kind=U64)
        call("cuDevicePrimaryCtxReset_v2", 0)
        primary()
        call("cuIpcCloseMemHandle", opened, answers=1)
        peer.send(b"done")

    def parent(peer):
        primary()
        alloc(700)
        address = alloc(100_000)
        call("cuMemcpyHtoD_v2", address, b"from here", S(9))
        handle, inside = made("cuIpcGetMemHandle", address, kind=Handle), U64(address.value + 5)
        assert raw(made("cuIpcGetMemHandle", inside, kind=Handle)) == raw(handle)
        call("cuIpcOpenMemHandle_v2", ref(U64()), handle, 1, answers=201)
        call("cuIpcGetMemHandle", ref(handle), U64(0x1000), answers=1)
        lent = made("cuMemAllocAsync", S(100), None, kind=U64)
        call("cuIpcGetMemHandle", ref(Handle()), lent, answers=1)
        peer.send(raw(handle))
        assert peer.recv(4) == b"done"
        assert read(U64(address.value + 99_990), 10) == b"from there"

    with_child(child, parent)


def outlived():
    """The exporter's end is no crash, and its handle is worth nothing."""
    def child(peer):
        primary()
        address = alloc(MIB)
        call("cuMemcpyHtoD_v2", address, b"left", S(4))
        peer.send(raw(made("cuIpcGetMemHandle", address, kind=Handle)))
        assert peer.recv(4) == b"open"

    opened = []

    def parent(peer):
        primary()
        opened.append(Handle.from_buffer_copy(peer.recv(64)))
        opened.append(made("cuIpcOpenMemHandle_v2", opened[0], 1, kind=U64))
        peer.send(b"open")

    with_child(child, parent)
    read(opened[1], 4)
    call("cuIpcCloseMemHandle", opened[1])
    call("cuIpcOpenMemHandle_v2", ref(U64()), opened[0], 1, answers=1)


def pooled():
    """A pool in another process: memory of it can be mapped there and none taken, and only here it is charged."""
    def child(peer):
        message, (descriptor,), _, _ = socket.recv_fds(peer, 64, 1)
        primary()
        before, said = free_bytes(), Handle.from_buffer_copy(message)
        pool = made("cuMemPoolImportFromShareableHandle", P(descriptor), 1, U64(0))
        call("cuMemAllocFromPoolAsync", ref(U64()), S(1), pool, None, answers=801)
        call("cuDeviceSetMemPool", 0, pool, answers=1)
        call("cuMemPoolImportPointer", ref(U64()), made("cuDeviceGetMemPool", 0), ref(said), answers=1)
        here = made("cuMemPoolImportPointer", pool, ref(said), kind=U64)
        assert read(here, 4) == b"lent" and free_bytes() == before
        call("cuMemcpyHtoD_v2", here, b"back", S(4))
        call("cuIpcCloseMemHandle", here, answers=1)
        call("cuMemFreeAsync", here, None)
        call("cuMemFreeAsync", here, None, answers=1)
        call("cuMemPoolDestroy", pool)
        peer.send(b"done")

    def parent(peer):
        primary()
        before, props = free_bytes(), PoolProps(type=1, handles=1, location=HERE)
        pool, standard = made("cuMemPoolCreate", ref(props)), made("cuDeviceGetMemPool", 0)
        descriptor = I32()
        call("cuMemPoolExportToShareableHandle", ref(descriptor), standard, 1, U64(0), answers=1)
        call("cuMemPoolExportToShareableHandle", ref(descriptor), pool, 1, U64(0))
        address = made("cuMemAllocFromPoolAsync", S(5 * MIB), pool, None, kind=U64)
        call("cuMemcpyHtoD_v2", address, b"lent", S(4))
        assert free_bytes() == before - 32 * MIB
        call("cuMemPoolExportPointer", ref(Handle()), made("cuMemAllocAsync", S(1), None, kind=U64), answers=1)
        said = made("cuMemPoolExportPointer", address, kind=Handle)
        socket.send_fds(peer, [raw(said)], [descriptor.value])
        assert peer.recv(4) == b"done" and read(address, 4) == b"back"
        call("cuMemPoolImportFromShareableHandle", ref(P()), P(peer.fileno()), 1, U64(0), answers=1)

    with_child(child, parent)


def events():
    """What one process records, another waits for; and the other way round."""
    def child(peer):
        primary()
        event = made("cuIpcOpenEventHandle", Handle.from_buffer_copy(peer.recv(64)))
        call("cuEventQuery", event)
        peer.send(b"seen")
        assert peer.recv(4) == b"busy"
        call("cuEventQuery", event, answers=600)
        call("cuStreamWaitEvent", None, event, 0)
        call("cuCtxSynchronize")
        call("cuEventQuery", event)
        call("cuEventElapsedTime", ref(ctypes.c_float()), event, event, answers=400)
        call("cuIpcOpenEventHandle", ref(P()), Handle(b"nobody's"), answers=1)
        busy(400)
        call("cuEventRecord", event, None)
        peer.send(b"mine")
        assert peer.recv(4) == b"done"
        call("cuEventDestroy_v2", event)

    def parent(peer):
        primary()
        call("cuEventCreate", ref(P()), 4, answers=1)
        plain, event = made("cuEventCreate", 2), made("cuEventCreate", 6)
        call("cuIpcGetEventHandle", ref(Handle()), plain, answers=400)
        handle = made("cuIpcGetEventHandle", event, kind=Handle)
        call("cuIpcOpenEventHandle", ref(P()), handle, answers=201)
        peer.send(raw(handle))
        assert peer.recv(4) == b"seen"
        busy(400)
        call("cuEventRecord", event, None)
        peer.send(b"busy")
        assert peer.recv(4) == b"mine"
        call("cuEventQuery", event, answers=600)
        call("cuEventSynchronize", event)
        call("cuEventQuery", event)
        peer.send(b"done")

    with_child(child, parent)


def busy(milliseconds):
    """The card works for so long."""
    launch(kernel(f"spin_ms_{milliseconds}"))


def on_runtime(path):
    def child(peer):
        run = runtime(path)
        run("cudaFree", None)
        handle, here, got = Handle.from_buffer_copy(peer.recv(64)), P(), ctypes.create_string_buffer(6)
        before = runtime_free(run)
        run("cudaIpcOpenMemHandle", ref(here), handle, 1)
        run("cudaMemcpy", got, here, S(6), 2)
        assert got.raw == b"shared" and runtime_free(run) == before
        run("cudaIpcCloseMemHandle", here)
        peer.send(b"done")

    def parent(peer):
        run = runtime(path)
        address, handle = P(), Handle()
        run("cudaMalloc", ref(address), S(10 * MIB))
        run("cudaMemcpy", address, b"shared", S(6), 1)
        run("cudaIpcGetMemHandle", ref(handle), address)
        peer.send(raw(handle))
        assert peer.recv(4) == b"done"
        run("cudaFree", address)

    with_child(child, parent)


main(globals())
