//! Soaks the program for some minutes, once with imported files deleted and once with them kept.
//! `cargo xtask soak` builds the program, starts a broker, and calls this.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tests::soak::{AfterImport, Goal, Options, soak};

const USAGE: &str = "usage: soak MINUTES SEED KILLS SOURCE, with DIODE_TEST_AMQP set to a broker's \
                     address, DIODE_TEST_S3 to a store's where SOURCE is s3 or both, and, where it is the soak's own, DIODE_TEST_RABBITMQCTL to its rabbitmqctl";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [minutes, seed, kills, sources] = arguments.as_slice() else {
        anyhow::bail!(USAGE);
    };
    let minutes: f64 = minutes.parse().context(USAGE)?;
    let kills: u32 = kills.parse().context(USAGE)?;
    let mut options = Options {
        seed: seed.parse().context(USAGE)?,
        goal: Goal {
            time: Duration::try_from_secs_f64(minutes * 60.0 / 2.0).context(USAGE)?,
            kills: kills.div_ceil(2),
        },
        after_import: AfterImport::Delete,
        sources: sources.parse().context(USAGE)?,
        broker: std::env::var("DIODE_TEST_AMQP").context(USAGE)?,
        rabbitmqctl: std::env::var_os("DIODE_TEST_RABBITMQCTL").map(PathBuf::from),
    };
    let mut code = ExitCode::SUCCESS;
    for after_import in [AfterImport::Delete, AfterImport::Keep] {
        options.after_import = after_import;
        let report = soak(&options).await?;
        println!("{report}");
        if !report.is_good() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
