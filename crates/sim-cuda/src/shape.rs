//! Compile-time comparison of an exported function with the header's signature: as many arguments, each
//! of the same size. It cannot tell a pointer from a number; it does catch another ABI version.

/// The sizes of a function's arguments.
pub(crate) trait Shape {
    /// In order.
    const SIZES: &'static [usize];
}

/// Whether two functions are called alike.
pub(crate) const fn same(ours: &[usize], theirs: &[usize]) -> bool {
    let mut i = 0;
    while i < ours.len() && i < theirs.len() {
        if ours[i] != theirs[i] {
            return false;
        }
        i += 1;
    }
    ours.len() == theirs.len()
}

macro_rules! shapes {
    () => { shapes!(@impl); };
    ($first:ident $($rest:ident)*) => { shapes!(@impl $first $($rest)*); shapes!($($rest)*); };
    (@impl $($arg:ident)*) => {
        impl<R, $($arg),*> Shape for extern "C" fn($($arg),*) -> R {
            const SIZES: &'static [usize] = &[$(size_of::<$arg>()),*];
        }
        impl<R, $($arg),*> Shape for unsafe extern "C-unwind" fn($($arg),*) -> R {
            const SIZES: &'static [usize] = &[$(size_of::<$arg>()),*];
        }
    };
}

shapes!(A B C D E F G H I J K L);
