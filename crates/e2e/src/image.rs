//! Images without a registry: programs of this machine with what they need of it, as an OCI layout in one
//! tar archive.
//!
//! The form is that of the OCI image specification 1.0: `oci-layout`, `index.json` and blobs by their
//! SHA-256. The name is an annotation that containerd understands.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Of a plain tar archive, uncompressed.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image to be made.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// With a registry's host and a tag, such as `localhost/probe:1`.
    pub name: String,
    /// What a container of it runs.
    pub command: Vec<String>,
    /// Where each file of this machine lies in the image, without the leading slash.
    files: BTreeMap<PathBuf, PathBuf>,
}

impl Image {
    /// An image without files.
    #[must_use]
    pub fn new(name: &str, command: &[&str]) -> Self {
        let command = command.iter().map(ToString::to_string).collect();
        Self { name: name.to_owned(), command, files: BTreeMap::new() }
    }

    /// Adds a file of this machine at a path of the image.
    pub fn add(&mut self, from: &Path, at: &str) {
        self.files.insert(PathBuf::from(at.trim_start_matches('/')), from.to_owned());
    }

    /// Adds a program with its loader and libraries, where the loader of this machine finds them.
    ///
    /// # Errors
    /// A program that is not there, or that needs what is not there.
    pub fn add_program(&mut self, from: &Path, at: &str) -> Result<()> {
        ensure!(from.is_file(), "{} is not there", from.display());
        self.add(from, at);
        self.add_libraries_of(from)
    }

    /// Adds what a program or library needs, and not itself.
    ///
    /// # Errors
    /// As [`Self::add_program`].
    pub fn add_libraries_of(&mut self, from: &Path) -> Result<()> {
        for library in libraries(from)? {
            let at = library.display().to_string();
            self.add(&library, &at);
        }
        Ok(())
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub fn write(&self, to: &Path) -> Result<()> {
        let layer = self.layer()?;
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {"Cmd": self.command, "Env": ["PATH=/usr/bin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(CONFIG, &config),
            "layers": [described(LAYER, &layer)],
        });
        let manifest = manifest.to_string().into_bytes();
        let mut found = described(MANIFEST, &manifest);
        let tag = self.name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        found["annotations"] = json!({
            "io.containerd.image.name": self.name,
            "org.opencontainers.image.ref.name": tag,
        });
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [found]});
        let file =
            fs::File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
        let mut archive = tar::Builder::new(file);
        put(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        put(&mut archive, "index.json", index.to_string().as_bytes())?;
        for blob in [&layer, &config, &manifest] {
            put(&mut archive, &format!("blobs/sha256/{}", hash(blob)), blob)?;
        }
        archive.finish().with_context(|| format!("cannot write {}", to.display()))
    }

    fn layer(&self) -> Result<Vec<u8>> {
        let mut layer = tar::Builder::new(Vec::new());
        for folder in ["tmp", "etc", "run"] {
            let mut header = header(0, 0o1777);
            header.set_entry_type(tar::EntryType::Directory);
            layer.append_data(&mut header, folder, std::io::empty())?;
        }
        for (at, from) in &self.files {
            // Links are followed: the image has the file itself.
            let bytes =
                fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
            layer.append_data(&mut header(bytes.len() as u64, 0o755), at, &*bytes)?;
        }
        layer.into_inner().context("cannot make a layer")
    }
}

/// As `ldd` finds them: with the loader, without what the kernel brings.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot start ldd")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        // It says so of a program that is linked statically, and of a script.
        if why.contains("not a dynamic executable") || said.contains("statically linked") {
            return Ok(Vec::new());
        }
        bail!("ldd {}: {}", program.display(), why.trim());
    }
    parse(&said).with_context(|| format!("{} needs what is not there", program.display()))
}

fn parse(said: &str) -> Result<Vec<PathBuf>> {
    if let Some(missing) = said.lines().find(|line| line.contains("not found")) {
        bail!("{}", missing.trim());
    }
    let words = said.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(words.map(PathBuf::from).collect())
}

fn header(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header
}

fn put(archive: &mut tar::Builder<fs::File>, name: &str, bytes: &[u8]) -> Result<()> {
    Ok(archive.append_data(&mut header(bytes.len() as u64, 0o644), name, bytes)?)
}

fn described(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hash(bytes))
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As Go names it.
fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ldd_says_is_understood_and_what_it_misses_is_named() {
        let said =
            "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld.so (0x3)\n";
        let found = parse(said).unwrap();
        assert_eq!(found, [PathBuf::from("/lib/libc.so.6"), PathBuf::from("/lib64/ld.so")]);
        let why = parse("\tlibx.so.1 => not found\n").unwrap_err().to_string();
        assert_eq!(why, "libx.so.1 => not found");
    }

    #[test]
    fn every_blob_lies_under_its_own_hash_and_the_image_is_the_same_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut image = Image::new("localhost/a:1", &["/bin/sh"]);
        image.add_program(Path::new("/bin/sh"), "/bin/sh").unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        image.write(&one).unwrap();
        image.write(&two).unwrap();
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
        let mut archive = tar::Archive::new(fs::File::open(&one).unwrap());
        let mut blobs = 0;
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().into_owned();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            if path.starts_with("blobs") {
                assert_eq!(path.file_name().unwrap().to_str().unwrap(), hash(&bytes));
                blobs += 1;
            }
        }
        assert_eq!(blobs, 3);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let why =
            Image::default().add_program(Path::new("/no/such"), "/x").unwrap_err().to_string();
        assert_eq!(why, "/no/such is not there");
    }
}
