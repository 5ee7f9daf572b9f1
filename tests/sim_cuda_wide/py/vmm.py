"""Virtual memory management: memory apart from addresses, and how long it lives."""

import array
import os
import socket

from wide import *

PAGE = 2 * MIB


def create(size, location=HERE, handles=0):
    return made("cuMemCreate", S(size), ref(Props(type=1, handles=handles, location=location)), U64(0), kind=U64)


def reserve(size):
    return made("cuMemAddressReserve", S(size), S(0), U64(0), U64(0), kind=U64)


def map_at(address, size, handle, answers=0):
    call("cuMemMap", address, S(size), S(0), handle, U64(0), answers=answers)


def allow(address, size, answers=0):
    call("cuMemSetAccess", address, S(size), ref(Access(HERE, 3)), S(1), answers=answers)


def at(address, offset):
    return U64(address.value + offset)


def segments():
    """What expandable segments do: one reservation, filled and emptied piece by piece."""
    primary()
    before = free_bytes()
    size = made("cuMemGetAllocationGranularity", ref(Props(type=1, location=HERE)), 0, kind=S).value
    assert size == PAGE
    start = reserve(8 * PAGE)
    assert free_bytes() == before
    handles = [create(2 * PAGE) for _ in range(3)]
    assert free_bytes() == before - 6 * PAGE
    for i, handle in enumerate(handles):
        map_at(at(start, 2 * i * PAGE), 2 * PAGE, handle)
    allow(start, 6 * PAGE)
    sent = os.urandom(3 * PAGE)
    call("cuMemcpyHtoD_v2", at(start, PAGE), sent, S(len(sent)))
    assert read(at(start, PAGE), len(sent)) == sent
    call("cuMemsetD8_v2", at(start, 5 * PAGE), 0, S(2 * PAGE), answers=1)
    assert made("cuPointerGetAttribute", 2, at(start, PAGE), kind=U32).value == 2
    call("cuMemUnmap", at(start, 2 * PAGE), S(2 * PAGE))
    assert free_bytes() == before - 6 * PAGE
    call("cuMemRelease", handles[1])
    assert free_bytes() == before - 4 * PAGE
    call("cuMemcpyHtoD_v2", at(start, PAGE), sent, S(len(sent)), answers=1)
    for handle in (handles[0], handles[2]):
        call("cuMemRelease", handle)
    assert free_bytes() == before - 4 * PAGE
    call("cuMemUnmap", start, S(2 * PAGE))
    call("cuMemAddressFree", start, S(8 * PAGE), answers=1)
    call("cuMemUnmap", at(start, 4 * PAGE), S(2 * PAGE))
    assert free_bytes() == before
    call("cuMemAddressFree", start, S(8 * PAGE))


def references():
    """Memory lives until its handle is let go as often as it was held, and it is mapped nowhere."""
    primary()
    before, handle = free_bytes(), create(PAGE)
    first, second = reserve(PAGE), reserve(PAGE)
    for address in (first, second):
        map_at(address, PAGE, handle)
        allow(address, PAGE)
    call("cuMemcpyHtoD_v2", first, b"both", S(4))
    assert read(second, 4) == b"both"
    again = made("cuMemRetainAllocationHandle", second, kind=U64)
    assert again.value == handle.value
    props = made("cuMemGetAllocationPropertiesFromHandle", handle, kind=Props)
    assert (props.type, props.location.type, props.location.id) == (1, 1, 0)
    call("cuMemRelease", handle)
    call("cuMemRelease", again)
    call("cuMemRelease", handle, answers=1)
    assert free_bytes() == before - PAGE
    call("cuMemUnmap", first, S(PAGE))
    held = made("cuMemRetainAllocationHandle", second, kind=U64)
    call("cuMemUnmap", second, S(PAGE))
    assert free_bytes() == before - PAGE
    call("cuMemRelease", held)
    assert free_bytes() == before


def access():
    primary()
    start, handle = reserve(PAGE), create(PAGE)
    call("cuMemcpyHtoD_v2", start, b"a", S(1), answers=1)
    map_at(start, PAGE, handle)
    call("cuMemcpyHtoD_v2", start, b"a", S(1), answers=1)
    assert made("cuMemGetAccess", ref(HERE), start, kind=U64).value == 0
    allow(start, PAGE)
    assert made("cuMemGetAccess", ref(HERE), start, kind=U64).value == 3
    assert made("cuMemGetAccess", ref(Location(1, 1)), start, kind=U64).value == 0
    call("cuMemcpyHtoD_v2", start, b"a", S(1))
    call("cuMemUnmap", start, S(PAGE))
    call("cuMemcpyHtoD_v2", start, b"a", S(1), answers=1)


def refusals():
    primary()
    before, props, out = free_bytes(), Props(type=1, location=HERE), U64(7)
    call("cuMemCreate", ref(out), S(PAGE + 1), ref(props), U64(0), answers=1)
    call("cuMemCreate", ref(out), S(0), ref(props), U64(0), answers=1)
    call("cuMemCreate", ref(out), S(PAGE), ref(props), U64(1), answers=1)
    call("cuMemCreate", ref(out), S(PAGE), ref(Props(type=1, location=Location(1, 9))), U64(0), answers=101)
    call("cuMemCreate", ref(out), S(before + PAGE), ref(props), U64(0), answers=2)
    assert out.value == 7 and free_bytes() == before
    call("cuMemAddressReserve", ref(out), S(100), S(0), U64(0), U64(0), answers=1)
    start, handle = reserve(2 * PAGE), create(PAGE)
    map_at(start, 2 * PAGE, handle, answers=1)
    map_at(at(start, 1), PAGE, handle, answers=1)
    map_at(at(start, 2 * PAGE), PAGE, handle, answers=1)
    map_at(start, PAGE, U64(0x1234), answers=1)
    map_at(start, PAGE, handle)
    map_at(start, PAGE, handle, answers=1)
    allow(start, 2 * PAGE, answers=1)
    call("cuMemUnmap", start, S(2 * PAGE), answers=1)
    call("cuMemFree_v2", start, answers=1)
    call("cuMemRetainAllocationHandle", ref(out), at(start, PAGE), answers=1)


def host():
    """Memory on the host is charged to no card."""
    primary()
    before, handle, start = free_bytes(), create(4 * PAGE, Location(2, 0)), reserve(4 * PAGE)
    map_at(start, 4 * PAGE, handle)
    call("cuMemSetAccess", start, S(4 * PAGE), ref(Access(HERE, 3)), S(1))
    call("cuMemcpyHtoD_v2", start, b"host", S(4))
    assert read(start, 4) == b"host" and free_bytes() == before


def exported():
    """Another process maps the same memory, and the card is charged once."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        imports(theirs)
        os._exit(0)
    primary()
    before, handle, start = free_bytes(), create(PAGE, handles=1), reserve(PAGE)
    map_at(start, PAGE, handle)
    allow(start, PAGE)
    call("cuMemcpyHtoD_v2", start, b"from here", S(9))
    descriptor = I32(-1)
    call("cuMemExportToShareableHandle", ref(descriptor), handle, 1, U64(0))
    plain = create(PAGE)
    call("cuMemExportToShareableHandle", ref(descriptor), plain, 1, U64(0), answers=1)
    socket.send_fds(ours, [b"x"], [descriptor.value])
    assert ours.recv(1) == b"y"
    assert read(start, 10) == b"from there"
    ours.send(b"z")
    assert os.waitpid(child, 0)[1] == 0
    call("cuMemUnmap", start, S(PAGE))
    call("cuMemRelease", handle)
    call("cuMemRelease", plain)
    assert free_bytes() == before - PAGE, "the descriptor keeps it"
    os.close(descriptor.value)
    assert free_bytes() == before


def imports(peer):
    descriptors = socket.recv_fds(peer, 1, 1)[1]
    primary()
    before = free_bytes()
    handle = made("cuMemImportFromShareableHandle", P(descriptors[0]), 1, kind=U64)
    call("cuMemImportFromShareableHandle", ref(U64()), P(peer.fileno()), 1, answers=1)
    start = reserve(PAGE)
    map_at(start, PAGE, handle)
    allow(start, PAGE)
    assert read(start, 9) == b"from here" and free_bytes() == before
    call("cuMemcpyHtoD_v2", start, b"from there", S(10))
    peer.send(b"y")
    assert peer.recv(1) == b"z"


def fabric():
    """A handle for other nodes tells where memory is and keeps nothing; machines without a channel have none."""
    primary()
    before, told = free_bytes(), ctypes.create_string_buffer(64)
    call("cuMemCreate", ref(U64()), S(PAGE), ref(Props(type=1, handles=8, location=HERE)), U64(0), answers=801)
    root = os.environ["LD_LIBRARY_PATH"].removesuffix("/usr/lib/x86_64-linux-gnu")
    os.mkdir(f"{root}/dev/nvidia-caps-imex-channels")
    open(f"{root}/dev/nvidia-caps-imex-channels/channel0", "w").close()
    handle, plain = create(PAGE, handles=8), create(PAGE)
    call("cuMemExportToShareableHandle", told, plain, 8, U64(0), answers=1)
    call("cuMemRelease", plain)
    call("cuMemExportToShareableHandle", told, handle, 8, U64(0))
    again = made("cuMemImportFromShareableHandle", told, 8, kind=U64)
    call("cuMemRelease", handle)
    assert free_bytes() == before - PAGE
    call("cuMemRelease", again)
    assert free_bytes() == before
    call("cuMemImportFromShareableHandle", ref(U64()), told, 8, answers=1)


def domain():
    """A domain of a card is the card, which has one."""
    primary()
    before, start = free_bytes(), reserve(PAGE)
    handle = create(PAGE, Location(6, 0))
    assert free_bytes() == before - PAGE
    map_at(start, PAGE, handle)
    call("cuMemSetAccess", start, S(PAGE), ref(Access(Location(6, 0), 3)), S(1))
    call("cuMemcpyHtoD_v2", start, b"here", S(4))
    assert read(start, 4) == b"here"
    for number, answer in ((0x100, 1), (9, 101)):
        props = Props(type=1, location=Location(6, number))
        call("cuMemCreate", ref(U64()), S(PAGE), ref(props), U64(0), answers=answer)


def no_domain():
    """A driver that is older than domains knows no such place."""
    primary()
    props = Props(type=1, location=Location(6, 0))
    call("cuMemCreate", ref(U64()), S(PAGE), ref(props), U64(0), answers=1)


main(globals())
