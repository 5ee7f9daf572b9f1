/* The EGL extension types that appear in the driver's signatures: handles. */
#pragma once
typedef void *EGLImageKHR;
typedef void *EGLStreamKHR;
typedef void *EGLSyncKHR;
