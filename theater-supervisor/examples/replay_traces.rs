//! Replays recorded scenarios of OTP's supervisor on the machine: `replay_traces FILE...`
//!
//! The format is that of `theater_testkit::otp`: one JSON object a line. Prints `agreed N of M`. Exit code 0 if all
//! agree, 1 if one does not (the first is shown), 2 if a file cannot be read.

use std::process::ExitCode;

use theater_testkit::otp;

fn main() -> ExitCode {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: replay_traces FILE...");
        return ExitCode::from(2);
    }
    let (mut agreed, mut total) = (0, 0);
    let mut first = None;
    for file in files {
        let name = std::path::Path::new(&file).display();
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::from(2);
            }
        };
        let scenarios = match otp::parse(&text) {
            Ok(scenarios) => scenarios,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                eprintln!("{name}: {error}: {cause}");
                return ExitCode::from(2);
            }
        };
        for scenario in scenarios {
            total += 1;
            match otp::agree(&scenario, &otp::record(&scenario)) {
                Ok(()) => agreed += 1,
                Err(disagreement) => {
                    first.get_or_insert_with(|| format!("{name}: {disagreement}"));
                }
            }
        }
    }
    if let Some(first) = &first {
        print!("{first}");
    }
    println!("agreed {agreed} of {total}");
    // Nothing agrees with nothing only because nothing was checked.
    if first.is_none() && total > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
