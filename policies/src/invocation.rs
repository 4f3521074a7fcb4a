//! What a container is told to run, read once for all who ask: its image in parts, its variables, and its command line.

use crate::container::Container;
use crate::image::Image;
use crate::shell::{CommandLine, Environment};

/// What a container is told to run.
#[derive(Debug)]
pub struct Invocation<'a> {
    /// The image in its parts; `None` where an operator or a parent fills it in.
    pub image: Option<Image<'a>>,
    /// The variables that the manifest sets.
    pub environment: Environment<'a>,
    /// `command` and `args`, shell scripts in them taken apart.
    pub line: CommandLine<'a>,
}

impl<'a> Invocation<'a> {
    /// Reads a container.
    pub(crate) fn of(container: &Container<'a>) -> Self {
        let environment = Environment::of(container.value());
        let line = CommandLine::of(&container.command(), &container.args(), &environment);
        Self { image: container.image().map(Image::parts), environment, line }
    }
}
