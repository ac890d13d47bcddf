//! From sources to settings: reading in order, then one value per option.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::loaded::Loaded;
use crate::problem::{Cause, Origin, Problem};
use crate::resolve;
use crate::schema::Schema;
use crate::sources::{self, Found};
use crate::syntax::{self, Document};

enum Source {
    File(PathBuf),
    Dir(PathBuf),
    Text(PathBuf, String),
}

/// Reads sources in the order in which they were added; later ones win.
pub struct Loader {
    schema: Schema,
    sources: Vec<Source>,
    env: Vec<(String, String)>,
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // sources given as text and the environment may hold secrets
        f.debug_struct("Loader").field("project", &self.schema.project).finish_non_exhaustive()
    }
}

/// A parsed file.
pub(crate) struct Parsed {
    pub(crate) path: Arc<PathBuf>,
    pub(crate) document: Document,
}

impl Loader {
    /// A loader without sources: it yields the schema's defaults.
    pub fn new(schema: &Schema) -> Self {
        Self { schema: schema.clone(), sources: Vec::new(), env: Vec::new() }
    }

    /// Adds files (`--config-file`). A missing one is an error.
    #[must_use]
    pub fn files<P: Into<PathBuf>>(mut self, files: impl IntoIterator<Item = P>) -> Self {
        self.sources.extend(files.into_iter().map(|p| Source::File(p.into())));
        self
    }

    /// Adds directories (`--config-dir`): their `*.conf` files, sorted. A missing one is an error.
    #[must_use]
    pub fn dirs<P: Into<PathBuf>>(mut self, dirs: impl IntoIterator<Item = P>) -> Self {
        self.sources.extend(dirs.into_iter().map(|p| Source::Dir(p.into())));
        self
    }

    /// Adds what [`crate::Places::find`] found.
    #[must_use]
    pub fn found(self, found: Found) -> Self {
        self.files(found.files).dirs(found.dirs)
    }

    /// Adds text under the name of a file that is not read, for instance standard input.
    #[must_use]
    pub fn text(mut self, name: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.sources.push(Source::Text(name.into(), text.into()));
        self
    }

    /// Gives the environment variables: `OS_<GROUP>__<OPTION>` above files, a schema's own variables as
    /// defaults. The process environment itself is never read.
    #[must_use]
    pub fn env<K: Into<String>, V: Into<String>>(mut self, env: impl IntoIterator<Item = (K, V)>) -> Self {
        self.env.extend(env.into_iter().map(|(k, v)| (k.into(), v.into())));
        self
    }

    /// Reads everything.
    ///
    /// # Errors
    /// All problems at once, warnings included, as soon as one of them is an error.
    pub fn load(&self) -> Result<Loaded, Vec<Problem>> {
        let mut problems = Vec::new();
        let parsed = self.read(&mut problems);
        let settings = resolve::settings(&self.schema, &parsed, &self.env, &mut problems);
        sort(&mut problems, &parsed);
        if problems.iter().any(Problem::is_error) {
            return Err(problems);
        }
        Ok(Loaded::new(settings, problems))
    }

    /// All problems, errors and warnings, in the order of files and lines.
    pub fn check(&self) -> Vec<Problem> {
        match self.load() {
            Ok(loaded) => loaded.warnings().to_vec(),
            Err(problems) => problems,
        }
    }

    fn read(&self, problems: &mut Vec<Problem>) -> Vec<Parsed> {
        let mut parsed = Vec::new();
        for source in &self.sources {
            match source {
                Source::File(path) => read_file(path, &mut parsed, problems),
                Source::Text(name, text) => take(Arc::new(name.clone()), text, &mut parsed, problems),
                Source::Dir(dir) => match sources::files_of(dir) {
                    Ok(files) => files.iter().for_each(|path| read_file(path, &mut parsed, problems)),
                    Err(cause) => problems.push(Problem::new(whole(Arc::new(dir.clone())), cause)),
                },
            }
        }
        parsed
    }
}

fn whole(path: Arc<PathBuf>) -> Origin {
    Origin::File { path, line: 0 }
}

fn read_file(path: &Path, parsed: &mut Vec<Parsed>, problems: &mut Vec<Problem>) {
    let path = Arc::new(path.to_path_buf());
    match sources::read(&path) {
        Ok(text) => take(path, &text, parsed, problems),
        Err(cause) => problems.push(Problem::new(whole(path), cause)),
    }
}

fn take(path: Arc<PathBuf>, text: &str, parsed: &mut Vec<Parsed>, problems: &mut Vec<Problem>) {
    let document = syntax::parse(text);
    for fault in &document.faults {
        let origin = Origin::File { path: Arc::clone(&path), line: fault.line };
        problems.push(Problem::new(origin, Cause::Syntax(fault.kind)));
    }
    parsed.push(Parsed { path, document });
}

fn sort(problems: &mut [Problem], parsed: &[Parsed]) {
    problems.sort_by_key(|problem| match &problem.origin {
        Origin::File { path, line } => {
            (parsed.iter().position(|p| p.path == *path).unwrap_or(parsed.len()), *line)
        }
        _ => (usize::MAX, 0),
    });
}
