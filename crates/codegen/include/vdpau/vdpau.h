/* The VDPAU types that appear in the driver's signatures: numbers, and the look-up function. */
#pragma once
typedef unsigned int VdpDevice;
typedef unsigned int VdpFuncId;
typedef unsigned int VdpOutputSurface;
typedef int VdpStatus;
typedef unsigned int VdpVideoSurface;
typedef VdpStatus VdpGetProcAddress(VdpDevice device, VdpFuncId function, void **pointer);
