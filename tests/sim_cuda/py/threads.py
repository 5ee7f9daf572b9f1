"""Many threads at once on one context."""

import threading

from cu import *


def storm():
    context = primary()
    function, failures = kernel("spin_us_20"), []

    def work(number):
        try:
            call("cuCtxSetCurrent", context)
            for round in range(50):
                one_round(number, round)
        except AssertionError as error:
            failures.append(error)

    def one_round(number, round):
        size = (number + 1) * 1000 + round * 70_000
        stream, address = made("cuStreamCreate", round % 2), alloc(size)
        sent = bytes([number + 1]) * size
        call("cuMemcpyHtoDAsync_v2", address, sent, S(size), stream)
        launch(function, stream)
        launch(function, None, "_ptsz")
        mark = made("cuEventCreate", 0)
        call("cuEventRecord", mark, stream)
        call("cuEventSynchronize", mark)
        assert read(address, size) == sent
        call("cuMemFree_v2", address)
        call("cuStreamDestroy_v2", stream)
        call("cuEventDestroy_v2", mark)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


main(globals())
