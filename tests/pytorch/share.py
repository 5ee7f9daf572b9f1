"""PyTorch in half of an A100-80GB."""

import os
import re
import sys

import torch
import torch.multiprocessing as processes

MIB = 1 << 20
TOTAL, CONTEXT = 40525 * MIB, 410 * MIB
PIECE = 256 * MIB


def free():
    free, total = torch.cuda.mem_get_info()
    assert total == TOTAL, total / MIB
    return free


def bytes_(size):
    return torch.empty(size, dtype=torch.uint8, device="cuda")


def sees():
    assert torch.cuda.is_available() and torch.cuda.device_count() == 1
    properties = torch.cuda.get_device_properties(0)
    assert (properties.name, properties.major) == ("NVIDIA A100-SXM4-80GB", 8)
    assert properties.total_memory == TOTAL
    numbers = torch.arange(1_000_000, dtype=torch.float32)
    there = numbers.cuda()
    assert free() < TOTAL - CONTEXT
    assert torch.equal(there.clone().cpu(), numbers)
    assert torch.zeros(1000, device="cuda").cpu().sum() == 0
    assert (there + 1).shape == there.shape
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        doubled = there * 2
    doubled.record_stream(stream)
    torch.cuda.synchronize()


def full():
    bytes_(1)
    torch.cuda.empty_cache()
    # What is kept for small requests is page by page; what fits is then known to the piece.
    room, pieces = free() // PIECE, []
    try:
        while True:
            pieces.append(bytes_(PIECE))
    except torch.cuda.OutOfMemoryError as error:
        text = str(error)
    assert room - 1 <= len(pieces) <= room, (len(pieces), room)
    assert free() < 2 * PIECE
    said = re.search(r"(total capacity of|Device limit +:) ([0-9.]+) GiB", text)
    assert said and float(said[2]) == round(TOTAL / (1 << 30), 2), text
    assert torch.cuda.memory_allocated() == len(pieces) * PIECE + (torch.cuda.memory_allocated() % PIECE)
    pieces.clear()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    assert free() >= TOTAL - CONTEXT - 34 * MIB, free() / MIB
    stats = torch.cuda.memory_stats()
    assert stats["reserved_bytes.all.current"] <= 34 * MIB
    assert stats["num_ooms"] == (0 if torch.cuda.get_allocator_backend() == "cudaMallocAsync" else 1)
    # Memory is as good as before.
    assert bytes_(len(pieces) + PIECE).numel() == PIECE


def taker(tensors, answers, event):
    tensor = tensors.get()
    before = free()
    same = torch.equal(tensor.cpu()[:1000], torch.arange(1000, dtype=torch.float32))
    event = torch.cuda.Event.from_ipc_handle(torch.device("cuda:0"), event)
    event.synchronize()
    answers.put((same, event.query(), before))
    assert answers.get() == "end"
    del tensor


def shares():
    here = processes.get_context("spawn")
    tensors, answers = here.Queue(), here.Queue()
    tensor = torch.arange(64 << 20, dtype=torch.float32).cuda()
    alone = free()
    event = torch.cuda.Event(interprocess=True)
    event.record()
    child = here.Process(target=taker, args=(tensors, answers, event.ipc_handle()))
    child.start()
    tensors.put(tensor)
    same, passed, left = answers.get(timeout=300)
    assert same and passed
    # The child's context, and a little of its own, but not the tensor again.
    assert alone - CONTEXT - 64 * MIB <= left <= alone - CONTEXT, (alone - left) / MIB
    answers.put("end")
    child.join(60)
    assert child.exitcode == 0


def forks():
    before = torch.ones(3, device="cuda")
    child = os.fork()
    if child == 0:
        try:
            torch.ones(3, device="cuda")
        except RuntimeError as error:
            os._exit(0 if "forked subprocess" in str(error) else 2)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert torch.ones(3, device="cuda").shape == before.shape
    torch.cuda.synchronize()


def pinned():
    bytes_(1)
    before = free()
    host = torch.ones(64 * MIB, dtype=torch.uint8).pin_memory()
    assert host.is_pinned() and free() == before
    there = bytes_(64 * MIB)
    there.copy_(host, non_blocking=True)
    torch.cuda.synchronize()
    assert torch.equal(there.cpu(), host) and before - free() == 64 * MIB


def monitors():
    kept = bytes_(100 * MIB)
    used = TOTAL - free()
    listed = torch.cuda.list_gpu_processes()
    shown = re.findall(r"process +(\d+) uses +([0-9.]+) MB", listed)
    assert shown == [(str(os.getpid()), f"{used / MIB:.3f}")], listed
    assert torch.cuda.device_memory_used() == used
    assert 0 <= torch.cuda.utilization() <= 100
    del kept


if __name__ == "__main__":
    globals()[sys.argv[1]]()
