//! `rollcall sandbox`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rollcall_sandbox::configuration::PipelinePlaces;
use rollcall_sandbox::{Sandbox, SandboxOptions};
use tokio::signal::unix::{SignalKind, signal};

use super::print;
use crate::demo::screen::Screen;
use crate::demo::view;

/// A Zoom account and a Brevo account on loopback.
#[derive(Debug, Args)]
pub(crate) struct SandboxArguments {
    /// What the story is told from: the same seed, the same story
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many registrations the story has, about
    #[arg(long, default_value_t = 300)]
    registrants: usize,
    /// Where the pipeline takes in webhooks
    #[arg(
        long,
        default_value = "http://127.0.0.1:8080/webhooks/zoom",
        value_name = "URL"
    )]
    target: String,
    /// Where Zoom's clock is served
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    zoom: SocketAddr,
    /// Where Brevo is served
    #[arg(long, default_value = "127.0.0.1:8091", value_name = "ADDRESS")]
    brevo: SocketAddr,
    /// Seconds that the story takes at least
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Plays the story until it is over, shows what Brevo has, and goes on serving until it is stopped.
pub(super) async fn run(arguments: SandboxArguments) -> Result<()> {
    let mut options = SandboxOptions::to(arguments.target.clone());
    options.seed = arguments.seed;
    options.registrants = arguments.registrants;
    options.player.listen = arguments.zoom;
    options.player.pace = Some(Duration::from_secs(arguments.seconds));
    options.brevo_listen = arguments.brevo;
    let sandbox = Sandbox::start(options).await?;
    let places = PipelinePlaces {
        http: SocketAddr::from(([127, 0, 0, 1], 8080)),
        admin: SocketAddr::from(([127, 0, 0, 1], 9464)),
        log: "embedded: { path: ./rollcall-sandbox }".to_owned(),
    };
    print(&sandbox.configuration_yaml(&places))?;
    let mut screen = Screen::on_standard_error();
    screen.say(&format!(
        "Zoom's clock is at {}, Brevo at {}. Point a pipeline at them with the configuration above;\nthe story begins when {} answers. Ctrl-C stops.\n",
        sandbox.zoom().clock_url(),
        sandbox.brevo().api_url(),
        arguments.target
    ));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let play = async {
        let finished = sandbox.zoom().finished();
        tokio::pin!(finished);
        loop {
            tokio::select! {
                result = &mut finished => {
                    result?;
                    break;
                }
                () = tokio::time::sleep(Duration::from_millis(500)) => screen.draw(&view::story(&sandbox)),
            }
        }
        screen.draw(&view::story(&sandbox));
        screen.keep();
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            screen.draw(&view::summary(&sandbox.summary()));
        }
    };
    let ended: Result<()> = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        result = play => result,
    };
    ended
}
