//! Writing a file back: all of it or nothing, and only if it is still what was read. Mode, owner and links stay.

use std::fs;
use std::io::{self, Write};
use std::path::Path as FilePath;

use crate::source::plain;

/// Puts `after` in the place of `before`.
///
/// A symbolic link is followed, so that its target changes and the link stays. A file with several names is written in
/// place, because a new file would part them; all others are replaced in one step.
pub(crate) fn replace(path: &FilePath, before: &str, after: &str) -> Result<(), String> {
    let failed = |what: &str, error: &io::Error| format!("{what}: {}; nothing was written", plain(error));
    let target = fs::canonicalize(path).map_err(|error| failed("cannot be found any more", &error))?;
    let metadata = fs::metadata(&target).map_err(|error| failed("cannot be found any more", &error))?;
    if !metadata.is_file() {
        return Err("is no regular file; nothing was written".to_owned());
    }
    if metadata.permissions().readonly() {
        return Err("is read-only; nothing was written".to_owned());
    }
    let now = fs::read(&target).map_err(|error| failed("cannot be read again", &error))?;
    if now != before.as_bytes() {
        return Err("was changed by somebody else while it was repaired; nothing was written, run again".to_owned());
    }
    if names(&metadata) > 1 {
        return fs::write(&target, after).map_err(|error| format!("cannot be written: {}", plain(&error)));
    }
    exchange(&target, &metadata, after).map_err(|error| failed("cannot be written", &error))
}

fn exchange(target: &FilePath, metadata: &fs::Metadata, after: &str) -> io::Result<()> {
    let folder = target.parent().unwrap_or(FilePath::new("."));
    let mut file = tempfile::Builder::new().prefix(".buttress-").tempfile_in(folder)?;
    file.write_all(after.as_bytes())?;
    keep_owner(file.as_file(), metadata);
    file.as_file().set_permissions(metadata.permissions())?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    // The new name is safe on disk only once its folder is; not every system lets a folder be synced.
    let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

#[cfg(unix)]
fn names(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(not(unix))]
fn names(_: &fs::Metadata) -> u64 {
    1
}

/// Gives the new file the owner of the old one; who may not, keeps their own.
#[cfg(unix)]
fn keep_owner(file: &fs::File, metadata: &fs::Metadata) {
    use std::os::unix::fs::MetadataExt;
    let _ = std::os::unix::fs::fchown(file, Some(metadata.uid()), Some(metadata.gid()));
}

#[cfg(not(unix))]
fn keep_owner(_: &fs::File, _: &fs::Metadata) {}
