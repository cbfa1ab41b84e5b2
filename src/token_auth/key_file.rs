use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;

use super::{
    crypto::Algorithm,
    error::{ConfigError, ConfigErrorKind},
    jwt::{
        key_set::KeySet,
        key_source::{KeySource, Keys, LiveKeys, Renewal},
        keys::VerifyingKey,
    },
};
use crate::{
    Clock,
    core::{SharedClock, trace::event},
};

const CHECK_EVERY: Duration = Duration::from_secs(10);
/// More than any key set; a wrong path should not fill the memory.
const MAX_LEN: u64 = 1024 * 1024;

/// Keys in a file that is read again when it changes, without a restart.
///
/// When a token comes and the last look is ten seconds ago, a thread of its own looks at the file's times and length, on Unix also at whether
/// it is the same file, and, if they changed, reads it; requests never wait for it. The new keys take the place of the old ones all at once. A
/// file that cannot be read, or whose keys cannot be used, changes nothing: the old keys stay, and the failure is traced. So it matters little
/// how the file is replaced; renaming a finished one over it is best.
///
/// Cloning is a reference count.
///
/// ```no_run
/// use donjon::token_auth::{JwtVerifier, KeyFile};
///
/// # fn main() -> Result<(), donjon::token_auth::ConfigError> {
/// let keys = KeyFile::jwks("/etc/api/keys.json").open()?;
/// let verifier = JwtVerifier::builder(keys.clone())
///     .issuer("https://login.example")
///     .audience("https://api.example")
///     .build()?;
/// // Where something tells of new keys, a signal for one, there is no need to wait for the next look.
/// keys.reload()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KeyFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    form: Form,
    check_every: Duration,
    keys: ArcSwap<Keys>,
    /// Milliseconds since the epoch.
    next_look: AtomicU64,
    looking: AtomicBool,
    /// What the file was like when its keys were read. The lock is held while it is read.
    seen: Mutex<Stamp>,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Jwks,
    Pem(Algorithm),
}

/// What changes when a file does.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    /// Device and number: a file renamed over it may have its length and its time.
    #[cfg(unix)]
    inode: (u64, u64),
    /// Seconds and nanoseconds; nobody can set it back.
    #[cfg(unix)]
    changed: (i64, i64),
}

/// Builds a [`KeyFile`]; see there for an example.
#[must_use]
#[derive(Debug)]
pub struct KeyFileBuilder {
    path: PathBuf,
    form: Form,
    check_every: Duration,
    clock: SharedClock,
}

impl KeyFile {
    /// A file with a JSON Web Key Set, read as by [`KeySet::from_jwks`].
    pub fn jwks(path: impl Into<PathBuf>) -> KeyFileBuilder {
        KeyFileBuilder { path: path.into(), form: Form::Jwks, check_every: CHECK_EVERY, clock: SharedClock::default() }
    }

    /// A file with one public key in PEM, read as by [`VerifyingKey::from_pem`].
    pub fn pem(algorithm: Algorithm, path: impl Into<PathBuf>) -> KeyFileBuilder {
        KeyFileBuilder { form: Form::Pem(algorithm), ..Self::jwks(path) }
    }

    /// Reads the file now, whether it seems to have changed or not. It blocks the thread for as long as that takes.
    ///
    /// # Errors
    ///
    /// As [`KeyFileBuilder::open`]; the old keys stay.
    pub fn reload(&self) -> Result<(), ConfigError> {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (stamp, set) = read(&self.0.path, self.0.form)?;
        *seen = stamp;
        let old = self.0.keys.load_full();
        let generation = if set.keeps_all_of(&old.set) { old.generation } else { old.generation + 1 };
        self.0.keys.store(Arc::new(Keys { set: Arc::new(set), generation }));
        event!(DEBUG, "key file read", generation = generation);
        Ok(())
    }

    /// Reads the file if it changed.
    fn look(&self) {
        let seen = *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::fs::metadata(&self.0.path).is_ok_and(|metadata| Stamp::of(&metadata) == seen) {
            return;
        }
        if let Err(error) = self.reload() {
            event!(WARN, "key file not read, the old keys stay", error = error);
        }
    }

    /// Has a look taken at the file if it is time to.
    fn keep_fresh(&self, now: SystemTime) {
        let now = milliseconds(now);
        let next = self.0.next_look.load(Ordering::Relaxed);
        let every = u64::try_from(self.0.check_every.as_millis()).unwrap_or(u64::MAX);
        // Far in the future is a look that was set before the clock was set back.
        if (now < next && next - now <= every) || self.0.looking.swap(true, Ordering::Acquire) {
            return;
        }
        self.0.next_look.store(now.saturating_add(every), Ordering::Relaxed);
        let this = Looking(self.clone());
        let thread = std::thread::Builder::new().name("donjon-key-file".into());
        if thread.spawn(move || this.0.look()).is_err() {
            event!(WARN, "no thread to look at the key file with");
        }
    }
}

/// Ends the look however it ends.
struct Looking(KeyFile);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.0.looking.store(false, Ordering::Release);
    }
}

impl LiveKeys for KeyFile {
    fn current(&self, now: SystemTime) -> Option<Keys> {
        self.keep_fresh(now);
        Some(Keys::clone(&self.0.keys.load()))
    }

    fn generation(&self, now: SystemTime) -> u64 {
        self.keep_fresh(now);
        self.0.keys.load().generation
    }

    fn renew(&self, _now: SystemTime) -> Renewal {
        Renewal::Current
    }
}

impl From<KeyFile> for KeySource {
    fn from(keys: KeyFile) -> Self {
        Self::live(Arc::new(keys))
    }
}

impl KeyFileBuilder {
    /// How often at most the file is looked at: every 10 seconds unless told otherwise.
    pub fn check_every(mut self, interval: Duration) -> Self {
        self.check_every = interval;
        self
    }

    /// Where to read the time; the verifier's should be the same.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = SharedClock::new(clock);
        self
    }

    /// Reads the file for the first time.
    ///
    /// # Errors
    ///
    /// [`FileUnreadable`](ConfigErrorKind::FileUnreadable), and whatever is wrong with the keys in it: those of [`KeySet::from_jwks`] and
    /// [`VerifyingKey::from_pem`], [`KeysMixed`](ConfigErrorKind::KeysMixed), [`KeysAmbiguous`](ConfigErrorKind::KeysAmbiguous).
    pub fn open(self) -> Result<KeyFile, ConfigError> {
        let (stamp, set) = read(&self.path, self.form)?;
        let every = u64::try_from(self.check_every.as_millis()).unwrap_or(u64::MAX);
        Ok(KeyFile(Arc::new(Inner {
            next_look: AtomicU64::new(milliseconds(self.clock.now()).saturating_add(every)),
            looking: AtomicBool::new(false),
            keys: ArcSwap::from_pointee(Keys { set: Arc::new(set), generation: 1 }),
            seen: Mutex::new(stamp),
            path: self.path,
            form: self.form,
            check_every: self.check_every,
        })))
    }
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Self {
            modified: metadata.modified().ok(),
            len: metadata.len(),
            #[cfg(unix)]
            inode: (metadata.dev(), metadata.ino()),
            #[cfg(unix)]
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn read(path: &PathBuf, form: Form) -> Result<(Stamp, KeySet), ConfigError> {
    let (stamp, text) = read_text(path).map_err(|error| ConfigError::because(ConfigErrorKind::FileUnreadable, error))?;
    let set = match form {
        Form::Jwks => KeySet::from_jwks(&text)?,
        Form::Pem(algorithm) => VerifyingKey::from_pem(algorithm, &text)?.into(),
    };
    set.check()?;
    Ok((stamp, set))
}

fn read_text(path: &PathBuf) -> io::Result<(Stamp, String)> {
    let file = File::open(path)?;
    // Taken before the text: what is written meanwhile is seen at the next look.
    let stamp = Stamp::of(&file.metadata()?);
    let mut text = String::new();
    file.take(MAX_LEN + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_LEN { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok((stamp, text)) }
}

fn milliseconds(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.0.path).field("form", &self.0.form).finish_non_exhaustive()
    }
}
