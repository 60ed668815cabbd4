//! `pkt-gen`: sends, receives, asks and answers, at full speed, with netmap's options.

use std::process::ExitCode;
use std::sync::Arc;
use tools::cli::{self, Error};
use tools::pktgen::options::{self, Function};
use tools::pktgen::{ping, receive, send};
use tools::ports::{self, Purpose};
use tools::stop::Stop;

fn main() -> ExitCode {
    cli::run("pkt-gen", run)
}

fn run() -> Result<(), Error> {
    let Some(options) = options::parse(lexopt::Parser::from_env())? else {
        return cli::out(options::HELP);
    };
    let stop = Arc::new(Stop::on_signals()?);
    let one_by_one = matches!(options.function, Function::Ping | Function::Pong);
    let purpose = if one_by_one { Purpose::OneByOne } else { Purpose::InBlocks };
    let port = ports::open(&options.port, purpose, &stop)?;
    if stop.wait(Some(options.wait))? {
        return Ok(());
    }
    match options.function {
        Function::Send => send::run(&options, port, &stop),
        Function::Receive => receive::run(&options, port, &stop),
        Function::Ping => ping::ping(&options, port, &stop),
        Function::Pong => ping::pong(&options, port, &stop),
    }
}
