//! libaliquot.so.
#![no_std]
