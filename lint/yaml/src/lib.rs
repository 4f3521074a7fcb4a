//! YAML and JSON text as kubectl reads it: values, the byte span of every key and value, and edits that keep every
//! other byte.
//!
//! [`File::parse`] splits a text into documents and reads each of them; a broken document does not hide the others.
//! [`edit`] applies [`buttress_policies::edit::Edit`]s to the text of one document and verifies the outcome by reading
//! it again. What is read follows `sigs.k8s.io/yaml` over `go.yaml.in/yaml/v2`, which is YAML 1.1 with habits of its
//! own: `y` and `on` are true, `0777` is octal, `08` is eight, keys of any scalar type become strings.

mod check;
mod document;
mod edit;
mod file;
mod json;
mod limits;
mod lines;
mod read;
mod scalar;
mod split;
mod style;
mod template;
mod tree;
mod value;
mod write;

pub use document::{Document, DuplicateKey, Located, ReadError};
pub use edit::{Refusal, append_document, edit};
pub use file::File;
pub use limits::Limits;
pub use lines::Position;
pub use write::to_string;
