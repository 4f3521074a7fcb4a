//! Rules on image references.

pub mod always_pulled_image;
pub mod floating_image_tag;
