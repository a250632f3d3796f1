//! Virtual environments below target/ that pip fills.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A directory below target/real-servers and the packages in it, with the versions whose behaviour these tests know.
pub struct Venv {
    name: &'static str,
    packages: &'static [(&'static str, &'static str)],
    python: OnceLock<Result<PathBuf, String>>,
}

impl Venv {
    pub const fn new(name: &'static str, packages: &'static [(&'static str, &'static str)]) -> Self {
        Self { name, packages, python: OnceLock::new() }
    }

    /// Its interpreter; made once in each run. What went wrong is every test's failure.
    pub fn python(&self) -> &Path {
        match self.python.get_or_init(|| self.install()) {
            Ok(python) => python,
            Err(reason) => panic!("the real server cannot be installed: {reason}"),
        }
    }

    fn install(&self) -> Result<PathBuf, String> {
        let venv = home().join(self.name);
        let python = venv.join("bin/python");
        if self.is_installed(&python) {
            return Ok(python);
        }
        fs::create_dir_all(home()).map_err(|error| format!("{}: {error}", home().display()))?;
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        let pinned = self.packages.iter().map(|(name, version)| format!("{name}=={version}"));
        run(Command::new(&python).args(["-m", "pip", "install", "--disable-pip-version-check"]).args(pinned))?;
        if self.is_installed(&python) {
            Ok(python)
        } else {
            Err("pip succeeded, but the packages are not there".into())
        }
    }

    fn is_installed(&self, python: &Path) -> bool {
        let checks: Vec<_> =
            self.packages.iter().map(|(name, version)| format!("assert version('{name}') == '{version}'")).collect();
        let script = format!("from importlib.metadata import version\n{}", checks.join("\n"));
        run(Command::new(python).args(["-I", "-c", &script])).is_ok()
    }
}

/// The directory of everything about the real servers.
pub fn home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("real-servers")
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}\n{said}", output.status)) }
}
