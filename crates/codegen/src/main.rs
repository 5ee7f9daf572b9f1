//! Regenerates the checked-in code: nvidia-sys from the headers, kubelet from proto.

use codegen::{nvidia, proto};

fn main() -> anyhow::Result<()> {
    let (sources, out) = proto::folders();
    proto::generate(&sources, &out)?;
    let (headers, out) = nvidia::folders();
    nvidia::write(&headers, &out)
}
