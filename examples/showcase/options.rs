//! The command line.

use std::process::ExitCode;

const USAGE: &str = "\
usage: showcase [--listen ADDR]

  --listen ADDR   where to listen; 127.0.0.1:3000 if not given, port 0 for any free one
  --help          this text
";

pub(crate) struct Options {
    pub(crate) listen: String,
}

impl Options {
    /// Reads `arguments`, without the program's name; otherwise what to end with, after saying why.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, ExitCode> {
        let mut listen = "127.0.0.1:3000".to_owned();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--help" | "-h" => {
                    print!("{USAGE}");
                    return Err(ExitCode::SUCCESS);
                }
                "--listen" => listen = arguments.next().ok_or_else(|| misused("--listen wants an address"))?,
                other => match other.strip_prefix("--listen=") {
                    Some(address) => listen = address.to_owned(),
                    None => return Err(misused(&format!("unknown argument: {other}"))),
                },
            }
        }
        Ok(Self { listen })
    }
}

fn misused(what: &str) -> ExitCode {
    eprint!("{what}\n\n{USAGE}");
    ExitCode::from(2)
}
