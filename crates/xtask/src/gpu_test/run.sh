#!/bin/sh
# Looks at every claim about memory on this machine's first GPU; needs neither cargo nor a network.
#   ./run.sh               writes its report and the probe's into results/ beside it
#   ./run.sh --compute     looks at how the card's time is shared instead: a table, and a plot of each share over
#                          time; some ten minutes (--seconds N for each scenario, --only NAME, --modes fair,strict)
#   ./run.sh --simulated   tries itself on a simulated card, without a GPU; --compute as above
# Exit status: 0 if all holds, 1 if something does not, 2 without a GPU.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here/results}
cudart=$here/lib/libcudart.so.12
case "$*" in
*--simulated*) ;;
*)
    # What the driver answers besides is worth having, and no reason to stop.
    if "$here/bin/gpu-probe" --check; then
        "$here/bin/gpu-probe" --cudart "$cudart" --out "$out"
    fi
    ;;
esac
exec "$here/bin/gpu-suite" --cudart "$cudart" --out "$out" --command "gpu-test/run.sh" "$@"
