//! A disk whose flushes fail on demand: a small library that is loaded before the C library.

use crate::Scratch;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int is_broken(void) {
    const char *trigger = getenv("SYNC_SHIM_TRIGGER");
    return trigger && access(trigger, F_OK) == 0;
}

static int call(const char *name, int fd) {
    if (is_broken()) {
        errno = EIO;
        return -1;
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(fd);
}

int fdatasync(int fd) { return call("fdatasync", fd); }
int fsync(int fd) { return call("fsync", fd); }
"#;

/// The compiled library and the file whose existence breaks the disk.
#[derive(Debug)]
pub struct SyncShim {
    library: PathBuf,
    trigger: PathBuf,
    _scratch: Scratch,
}

impl SyncShim {
    /// Compiles the library; `None` where there is no C compiler.
    pub fn build() -> Option<Self> {
        let scratch = Scratch::new("shim");
        let source = scratch.file("shim.c", SOURCE.as_bytes());
        let library = scratch.path().join("shim.so");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source)
            .arg("-ldl")
            .status();
        let trigger = scratch.path().join("broken");
        status.is_ok_and(|status| status.success()).then_some(Self {
            library,
            trigger,
            _scratch: scratch,
        })
    }

    /// Value for `LD_PRELOAD`.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Value for `SYNC_SHIM_TRIGGER`.
    pub fn trigger(&self) -> &Path {
        &self.trigger
    }

    /// From now on every flush fails.
    pub fn break_disk(&self) {
        std::fs::write(&self.trigger, b"").expect("a test can write into its own directory");
    }

    /// From now on flushes work again.
    pub fn mend_disk(&self) {
        let _ = std::fs::remove_file(&self.trigger);
    }
}
