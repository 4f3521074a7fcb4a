//! Container images without a registry: archives as `docker save` writes them, each of one layer with one program.

use std::fs::File;
use std::io;
use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

/// An image that is one static program.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// The name under which pods ask for it, with registry and tag.
    pub name: &'a str,
    /// The program in the image, without the leading slash.
    pub path: &'a str,
    /// Where the program lies on this machine.
    pub program: &'a Path,
    /// The command that is run unless a pod says otherwise.
    pub entrypoint: &'a [&'a str],
    /// As whom it runs, as `USER:GROUP`; the administrator when empty.
    pub user: &'a str,
}

impl Image<'_> {
    /// Writes the archive to `archive`.
    ///
    /// # Errors
    /// When the program cannot be read or the archive cannot be written.
    pub fn write(&self, archive: &Path) -> io::Result<()> {
        let layer = layer(self)?;
        let config = json!({
            "architecture": architecture(), "os": "linux",
            "config": {"Entrypoint": self.entrypoint, "Env": ["PATH=/usr/local/bin"], "User": self.user},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hexadecimal(&Sha256::digest(&layer)))]},
        });
        let manifest = json!([{"Config": "config.json", "RepoTags": [self.name], "Layers": ["layer.tar"]}]);
        let mut files = Builder::new(File::create(archive)?);
        append(&mut files, "config.json", config.to_string().as_bytes(), 0o644)?;
        append(&mut files, "layer.tar", &layer, 0o644)?;
        append(&mut files, "manifest.json", manifest.to_string().as_bytes(), 0o644)?;
        files.finish()
    }
}

fn layer(image: &Image<'_>) -> io::Result<Vec<u8>> {
    let mut files = Builder::new(Vec::new());
    append(&mut files, image.path, &std::fs::read(image.program)?, 0o755)?;
    files.into_inner()
}

fn append<W: io::Write>(files: &mut Builder<W>, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    // Kubernetes and containerd mind no dates, and the same program gives the same image.
    header.set_mtime(0);
    files.append_data(&mut header, path, bytes)
}

/// The architecture of this machine as images call it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
