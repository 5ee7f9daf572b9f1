/* Stands in for the C library's header: bindgen reads NVIDIA's headers against these few words alone,
   so that what it writes does not depend on the machine. */
#pragma once
typedef unsigned long size_t;
