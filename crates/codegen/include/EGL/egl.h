/* The EGL types that appear in the driver's signatures. */
#pragma once
typedef int EGLint;
