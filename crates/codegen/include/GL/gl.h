/* The OpenGL types that appear in the driver's signatures. */
#pragma once
typedef unsigned int GLenum;
typedef unsigned int GLuint;
