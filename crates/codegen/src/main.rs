//! Regenerates the checked-in code: nvidia-sys from the headers, kubelet from proto.

fn main() -> anyhow::Result<()> {
    let (sources, out) = codegen::proto::folders();
    codegen::proto::generate(&sources, &out)
}
