/* Graphs that allocate. */
#pragma once
#include "world.h"
#include "taking.h"

static int graphs_word(struct word *word) {
    const char *command = word->command;
    uint64_t a = word->a, b = word->b, c = word->c;
    int result = 0;
    if (IS("graph")) {
        /* graph=place,size,place of what it allocates */
        result = CALL("cuGraphCreate", (uint64_t *, unsigned), &place[a], 0);
        if (!result) result = take(place[a], &place[c], b * MIB, 0);
    } else if (IS("graph-make"))
        result = CALL("cuGraphInstantiateWithFlags", (uint64_t *, uint64_t, uint64_t), &place[a], place[b], 0);
    else if (IS("graph-upload"))
        result = CALL("cuGraphUpload", (uint64_t, void *), place[a], 0);
    else if (IS("graph-launch"))
        result = CALL("cuGraphLaunch", (uint64_t, void *), place[a], 0);
    else if (IS("graph-end"))
        result = CALL("cuGraphExecDestroy", (uint64_t), place[a]);
    else if (IS("graph-trim"))
        result = CALL("cuDeviceGraphMemTrim", (int), 0);
    else
        return NOT_MINE;
    word->result = result;
    return SAID;
}
