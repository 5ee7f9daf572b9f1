//! The private tables that NVIDIA's runtime asks the driver for. Only looked at, never called.

use std::ffi::{c_char, c_void};

use nvidia_sys::cuda::CUuuid;

use super::Driver;
use crate::error::Result;
use crate::library::call;

/// A private table whose first word is its size in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizedTable {
    /// The size word.
    pub bytes: usize,
    /// For each pointer-sized slot behind the size word, whether it is set.
    pub set: Vec<bool>,
}

impl Driver {
    /// Whether the driver has the table of that UUID.
    ///
    /// # Errors
    /// The driver's code: 1 where it has none.
    pub fn has_table(&self, uuid: [u8; 16]) -> Result<()> {
        self.table_at(uuid).map(|_| ())
    }

    /// The table of that UUID, which must be one that begins with a size word.
    ///
    /// # Errors
    /// The driver's code: 1 where it has none.
    pub fn sized_table(&self, uuid: SizedUuid) -> Result<SizedTable> {
        let words = self.table_at(uuid.0)?.cast::<usize>();
        if words.is_null() {
            return Ok(SizedTable { bytes: 0, set: Vec::new() });
        }
        // SAFETY: a SizedUuid names a table whose first word is its size in bytes; the driver keeps
        // it for as long as it is loaded, which is for ever.
        let (bytes, words) = unsafe {
            let bytes = words.read().min(LARGEST);
            (bytes, std::slice::from_raw_parts(words, bytes / size_of::<usize>()))
        };
        Ok(SizedTable { bytes, set: words.iter().skip(1).map(|word| *word != 0).collect() })
    }

    fn table_at(&self, uuid: [u8; 16]) -> Result<*const c_void> {
        let (table, mut found) = (&self.table, std::ptr::null());
        let uuid = CUuuid { bytes: uuid.map(|byte| c_char::from_ne_bytes([byte])) };
        call!(table.cuGetExportTable(&mut found, &uuid))?;
        Ok(found)
    }
}

/// The UUID of a table that begins with its size.
#[derive(Clone, Copy)]
pub struct SizedUuid([u8; 16]);

impl SizedUuid {
    /// The UUID's bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }
}

/// Tables that cudart 12 and 13 ask for, in the order in which they were seen to.
pub const SIZED: [SizedUuid; 6] = [
    SizedUuid(0x6bd5_fb6c_5bf4_e74a_8987_d939_12fd_9df9_u128.to_be_bytes()),
    SizedUuid(0xa094_798c_2e74_2e74_93f2_0800_200c_0a66_u128.to_be_bytes()),
    SizedUuid(0x42d8_5a81_23f6_cb47_8298_f6e7_8a3a_ecdc_u128.to_be_bytes()),
    SizedUuid(0x2131_8c60_9714_3248_8ca6_41ff_7324_c8f2_u128.to_be_bytes()),
    SizedUuid(0x263e_8860_7cd2_6143_92f6_bbd5_006d_fa7e_u128.to_be_bytes()),
    SizedUuid(0xd408_2055_bde6_704b_8d34_ba12_3c66_e1f2_u128.to_be_bytes()),
];

/// Tables that they ask for and that have no size word, or are not there.
pub const UNSIZED: [[u8; 16]; 2] = [
    0xf8cf_f951_2146_8b4e_b9e2_fb46_9e7c_0dd9_u128.to_be_bytes(),
    0xc693_336e_1121_df11_a8c3_68f3_55d8_9593_u128.to_be_bytes(),
];

/// No table seen is longer.
const LARGEST: usize = 4096;
