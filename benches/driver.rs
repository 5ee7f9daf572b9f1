//! How the stand-in drivers declare their functions: as C has them, and always with success.

/// Declares functions of the driver, for valid arguments.
macro_rules! driver {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $body:block)*) => {
        $(
            /// The driver's function of this name, for valid arguments.
            ///
            /// # Safety
            /// As the driver's function.
            #[unsafe(no_mangle)]
            #[allow(unused_unsafe, clippy::too_many_arguments)]
            pub unsafe extern "C" fn $name($($argument: $type),*) -> core::ffi::c_int {
                // SAFETY: the caller gives places that may be written.
                unsafe { $body }
                // Success.
                0
            }
        )*
    };
}
