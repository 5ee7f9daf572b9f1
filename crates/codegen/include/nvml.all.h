/* Everything of NVML, in every version. */
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include <nvml.h>
