//! Rules on image references.

pub mod floating_image_tag;
