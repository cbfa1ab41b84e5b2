//! The command line.

use std::{process::ExitCode, time::Duration};

use donjon::conditional_cache::shared::Profile;
use tracing_subscriber::filter::LevelFilter;

use crate::upstream::Upstream;

const USAGE: &str = "\
usage: gateway --upstream URL [--listen ADDR] [--profile NAME] [--patience SECONDS] [--tunnels N] [--log LEVEL]

  --upstream URL       where requests go: http://host[:port][/base]
  --listen ADDR        where to listen; 127.0.0.1:8080 if not given, port 0 for any free one
  --profile NAME       what the cache may reuse: safe, rfc9111, eager, or off for none; safe if not given
  --patience SECONDS   how long an upstream or a client may be silent; 30 if not given, parts of a second are allowed
  --tunnels N          how many WebSockets may be open at a time; 1000 if not given
  --log LEVEL          what is written to stderr: off, error, warn, info, debug or trace; info if not given, debug tells of retries
  --help               this text
";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) upstream: Upstream,
    /// What may be reused; no cache if none.
    pub(crate) profile: Option<Profile>,
    pub(crate) patience: Duration,
    pub(crate) tunnels: u16,
    pub(crate) log: LevelFilter,
}

impl Options {
    /// Reads `arguments`, without the program's name; otherwise what to end with, after saying why.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, ExitCode> {
        match read(arguments) {
            Ok(Some(options)) => Ok(options),
            Ok(None) => {
                print!("{USAGE}");
                Err(ExitCode::SUCCESS)
            }
            Err(what) => {
                eprint!("{what}\n\n{USAGE}");
                Err(ExitCode::from(2))
            }
        }
    }
}

/// The options; none where help was asked for.
fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let (mut listen, mut upstream) = ("127.0.0.1:8080".to_owned(), None);
    let (mut profile, mut patience, mut tunnels) = (Some(Profile::Safe), Duration::from_secs(30), 1000);
    let mut log = LevelFilter::INFO;
    while let Some(argument) = arguments.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let mut value = || value.clone().or_else(|| arguments.next()).ok_or_else(|| format!("{name} wants a value"));
        match name.as_str() {
            "--help" | "-h" => return Ok(None),
            "--listen" => listen = value()?,
            "--upstream" => upstream = Some(value()?.parse()?),
            "--profile" => profile = read_profile(&value()?)?,
            "--patience" => patience = seconds(&value()?)?,
            "--tunnels" => tunnels = value()?.parse().map_err(|_| "--tunnels wants a number up to 65535".to_owned())?,
            "--log" => log = value()?.parse().map_err(|_| "--log wants a level".to_owned())?,
            other => return Err(format!("unknown argument: {other}")),
        }
    }
    let upstream = upstream.ok_or("--upstream is missing")?;
    Ok(Some(Options { listen, upstream, profile, patience, tunnels, log }))
}

fn read_profile(name: &str) -> Result<Option<Profile>, String> {
    match name {
        "off" => Ok(None),
        "safe" => Ok(Some(Profile::Safe)),
        "rfc9111" => Ok(Some(Profile::Rfc9111)),
        "eager" => Ok(Some(Profile::Eager)),
        other => Err(format!("unknown profile: {other}")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    parsed.filter(|patience| !patience.is_zero()).ok_or_else(|| "--patience wants a number of seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        match read(line.split(' ').map(str::to_owned)) {
            Ok(Some(options)) => {
                format!("{} {:?} {:?} {} {}", options.listen, options.profile, options.patience, options.tunnels, options.log)
            }
            Ok(None) => "help".to_owned(),
            Err(what) => what,
        }
    }

    #[test]
    fn command_lines() {
        for (name, line, expected) in [
            ("defaults", "--upstream http://a", "127.0.0.1:8080 Some(Safe) 30s 1000 info"),
            (
                "everything",
                "--upstream=http://a --listen [::1]:0 --profile=eager --patience 0.5 --tunnels 2 --log debug",
                "[::1]:0 Some(Eager) 500ms 2 debug",
            ),
            ("no upstream", "--listen x", "--upstream is missing"),
            ("help", "--upstream http://a --help", "help"),
            ("an unknown profile", "--upstream http://a --profile bold", "unknown profile: bold"),
            ("no value", "--upstream", "--upstream wants a value"),
            ("no patience", "--upstream http://a --patience 0", "--patience wants a number of seconds"),
            ("endless patience", "--upstream http://a --patience inf", "--patience wants a number of seconds"),
            ("no level", "--upstream http://a --log loud", "--log wants a level"),
            ("something else", "--upstream http://a x", "unknown argument: x"),
        ] {
            assert_eq!(shown(line), expected, "{name}");
        }
    }
}
