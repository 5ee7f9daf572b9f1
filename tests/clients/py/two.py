"""Two processes that share device memory, each in its own container."""

import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../sim_cuda_wide/py"))

from wide import *

SIZE = 64 * MIB
RAW = ctypes.c_char * 64


class Handle(ctypes.Structure):
    _fields_ = [("bytes", RAW)]


def raw(handle):
    return ctypes.string_at(ctypes.addressof(handle), 64)


def taken(before):
    return before - free_bytes()


def handle_make(peer):
    before = free_bytes()
    address = alloc(SIZE)
    call("cuMemcpyHtoD_v2", address, b"made", S(4))
    peer.send(raw(made("cuIpcGetMemHandle", address, kind=Handle)))
    assert taken(before) == SIZE
    event = made("cuEventCreate", 6)
    call("cuEventRecord", event, None)
    peer.send(raw(made("cuIpcGetEventHandle", event, kind=Handle)))
    assert peer.recv(4) == b"read"
    assert read(address, 4) == b"took" and taken(before) == SIZE
    call("cuMemFree_v2", address)
    assert taken(before) == 0


def handle_take(peer):
    before = free_bytes()
    address = made("cuIpcOpenMemHandle_v2", Handle.from_buffer_copy(peer.recv(64)), 1, kind=U64)
    event = made("cuIpcOpenEventHandle", Handle.from_buffer_copy(peer.recv(64)))
    call("cuStreamWaitEvent", None, event, 0)
    assert read(address, 4) == b"made" and taken(before) == 0
    call("cuMemcpyHtoD_v2", address, b"took", S(4))
    peer.send(b"read")
    call("cuIpcCloseMemHandle", address)
    assert taken(before) == 0


def map_whole(memory):
    start = made("cuMemAddressReserve", S(SIZE), S(0), U64(0), U64(0), kind=U64)
    call("cuMemMap", start, S(SIZE), S(0), memory, U64(0))
    call("cuMemSetAccess", start, S(SIZE), ref(Access(HERE, 3)), S(1))
    return start


def unmap_whole(start, memory):
    call("cuMemUnmap", start, S(SIZE))
    call("cuMemRelease", memory)
    call("cuMemAddressFree", start, S(SIZE))


def descriptor_make(peer):
    before = free_bytes()
    memory = made("cuMemCreate", S(SIZE), ref(Props(type=1, handles=1, location=HERE)), U64(0), kind=U64)
    start = map_whole(memory)
    call("cuMemcpyHtoD_v2", start, b"made", S(4))
    descriptor = I32(-1)
    call("cuMemExportToShareableHandle", ref(descriptor), memory, 1, U64(0))
    assert taken(before) == SIZE
    socket.send_fds(peer, [b"x"], [descriptor.value])
    os.close(descriptor.value)
    assert peer.recv(4) == b"read"
    assert read(start, 4) == b"took"
    unmap_whole(start, memory)
    assert taken(before) == 0


def descriptor_take(peer):
    before = free_bytes()
    descriptors = socket.recv_fds(peer, 1, 1)[1]
    memory = made("cuMemImportFromShareableHandle", P(descriptors[0]), 1, kind=U64)
    os.close(descriptors[0])
    start = map_whole(memory)
    assert read(start, 4) == b"made" and taken(before) == 0
    call("cuMemcpyHtoD_v2", start, b"took", S(4))
    unmap_whole(start, memory)
    peer.send(b"read")
    assert taken(before) == 0


def pool_make(peer):
    """A pool that another process imports is its maker's, and so is what it lends."""
    before = free_bytes()
    pool = made("cuMemPoolCreate", ref(PoolProps(type=1, handles=1, location=HERE)))
    descriptor = I32(-1)
    call("cuMemPoolExportToShareableHandle", ref(descriptor), pool, 1, U64(0))
    address = made("cuMemAllocFromPoolAsync", S(5 * MIB), pool, None, kind=U64)
    call("cuMemcpyHtoD_v2", address, b"made", S(4))
    said = raw(made("cuMemPoolExportPointer", address, kind=Handle))
    assert taken(before) == 32 * MIB
    socket.send_fds(peer, [said], [descriptor.value])
    os.close(descriptor.value)
    assert peer.recv(4) == b"read"
    assert read(address, 4) == b"took" and taken(before) == 32 * MIB
    call("cuMemFreeAsync", address, None)
    call("cuStreamSynchronize", None)
    call("cuMemPoolDestroy", pool)
    assert taken(before) == 0


def pool_take(peer):
    before = free_bytes()
    message, (descriptor,), _, _ = socket.recv_fds(peer, 64, 1)
    pool = made("cuMemPoolImportFromShareableHandle", P(descriptor), 1, U64(0))
    os.close(descriptor)
    here = made("cuMemPoolImportPointer", pool, ref(Handle.from_buffer_copy(message)), kind=U64)
    assert read(here, 4) == b"made" and taken(before) == 0
    call("cuMemcpyHtoD_v2", here, b"took", S(4))
    call("cuMemFreeAsync", here, None)
    call("cuStreamSynchronize", None)
    call("cuMemPoolDestroy", pool)
    assert taken(before) == 0
    peer.send(b"read")


def barrier(peer):
    peer.send(b"here")
    assert peer.recv(4) == b"here"


def exchange(peer, mine, yours):
    """What ranks of NCCL do: each lets the other map its memory, by descriptor and by handle, says by an
    event when it is ready, and finds in its own what the other has put there."""
    barrier(peer)
    before = free_bytes()
    barrier(peer)
    memory = made("cuMemCreate", S(SIZE), ref(Props(type=1, handles=1, location=HERE)), U64(0), kind=U64)
    start, address = map_whole(memory), alloc(SIZE)
    event = made("cuEventCreate", 6)
    for at in (start, address):
        call("cuMemcpyHtoD_v2", at, mine, S(4))
    call("cuEventRecord", event, None)
    descriptor = I32(-1)
    call("cuMemExportToShareableHandle", ref(descriptor), memory, 1, U64(0))
    handles = raw(made("cuIpcGetMemHandle", address, kind=Handle))
    handles += raw(made("cuIpcGetEventHandle", event, kind=Handle))
    socket.send_fds(peer, [handles], [descriptor.value])
    os.close(descriptor.value)
    message, descriptors, _, _ = socket.recv_fds(peer, 128, 1)
    theirs = made("cuMemImportFromShareableHandle", P(descriptors[0]), 1, kind=U64)
    os.close(descriptors[0])
    their_start = map_whole(theirs)
    their_address = made("cuIpcOpenMemHandle_v2", Handle.from_buffer_copy(message[:64]), 1, kind=U64)
    their_event = made("cuIpcOpenEventHandle", Handle.from_buffer_copy(message[64:]))
    call("cuStreamWaitEvent", None, their_event, 0)
    for at in (their_start, their_address):
        assert read(at, 4) == yours
        call("cuMemcpyHtoD_v2", U64(at.value + 4), mine, S(4))
    barrier(peer)
    for at in (start, address):
        assert read(at, 8) == mine + yours
    # Both ranks' own memory, each piece once.
    assert taken(before) == 4 * SIZE, taken(before)
    barrier(peer)
    unmap_whole(their_start, theirs)
    call("cuIpcCloseMemHandle", their_address)
    assert taken(before) == 4 * SIZE, taken(before)
    barrier(peer)
    unmap_whole(start, memory)
    call("cuMemFree_v2", address)
    barrier(peer)
    assert taken(before) == 0, taken(before)
    barrier(peer)


def passed_make(peer):
    """Memory whose handles are gone lives, and is charged, by the descriptor that its maker has."""
    before = free_bytes()
    memory = made("cuMemCreate", S(SIZE), ref(Props(type=1, handles=1, location=HERE)), U64(0), kind=U64)
    descriptor = I32(-1)
    call("cuMemExportToShareableHandle", ref(descriptor), memory, 1, U64(0))
    call("cuMemRelease", memory)
    assert taken(before) == SIZE
    again = made("cuMemImportFromShareableHandle", P(descriptor.value), 1, kind=U64)
    socket.send_fds(peer, [b"x"], [descriptor.value])
    os.close(descriptor.value)
    assert peer.recv(4) == b"mine"
    assert taken(before) == SIZE
    call("cuMemRelease", again)
    assert taken(before) == 0
    peer.send(b"gone")


def passed_take(peer):
    descriptors = socket.recv_fds(peer, 1, 1)[1]
    memory = made("cuMemImportFromShareableHandle", P(descriptors[0]), 1, kind=U64)
    os.close(descriptors[0])
    start = map_whole(memory)
    call("cuMemcpyHtoD_v2", start, b"mine", S(4))
    unmap_whole(start, memory)
    peer.send(b"mine")
    assert peer.recv(4) == b"gone"


def ranks_make(peer):
    exchange(peer, b"left", b"rite")


def ranks_take(peer):
    exchange(peer, b"rite", b"left")


def fabric_alone(_):
    before, out = free_bytes(), U64(7)
    props = Props(type=1, handles=8, location=HERE)
    call("cuMemCreate", ref(out), S(SIZE), ref(props), U64(0), answers=801)
    assert out.value == 7 and taken(before) == 0


def meet(side, path):
    """The two sides' connection, whichever of them comes first."""
    if side == "alone":
        return None
    here = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here.settimeout(60)
    if side == "make":
        here.bind(path + "~")
        here.listen()
        os.rename(path + "~", path)
        there = here.accept()[0]
        there.settimeout(60)
        return there
    for _ in range(6000):
        try:
            here.connect(path)
            return here
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.01)
    raise AssertionError("nobody listens")


function, side, path = sys.argv[1:]
primary()
globals()[f"{function}_{side}"](meet(side, path))
