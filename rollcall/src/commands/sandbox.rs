//! `rollcall sandbox`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rollcall_sandbox::configuration::PipelinePlaces;
use rollcall_sandbox::{Sandbox, SandboxOptions};
use tokio::signal::unix::{SignalKind, signal};

use super::print;
use crate::demo::screen::Screen;
use crate::demo::view;

/// What Brevo can be told while it runs: to answer less often, and to answer wrongly.
const SLOW: &str = r#"{"do": "rate_limits", "contacts": {"per_second": 5}, "events": {"per_second": 5}, "other": {}}"#;
const FAULTS: &str =
    r#"{"do": "fault_rates", "answer_lost": 0.05, "server_error": 0.1, "slow": 0.2}"#;

/// Where a pipeline takes in webhooks, and where it listens for that.
#[derive(Clone, Debug)]
struct Target {
    url: String,
    listen: SocketAddr,
}

/// Reads a target. The pipeline listens on the address that the URL names, and on all of its machine's
/// where that is a name and not an address.
fn target(text: &str) -> Result<Target, String> {
    let wrong = || "expected an address such as http://127.0.0.1:8080/webhooks/zoom".to_owned();
    let url = reqwest::Url::parse(text).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong());
    }
    let host = url.host_str().ok_or_else(wrong)?;
    let ip = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => ip,
        Err(_) if host == "localhost" => Ipv4Addr::LOCALHOST.into(),
        Err(_) => Ipv4Addr::UNSPECIFIED.into(),
    };
    let port = url.port_or_known_default().ok_or_else(wrong)?;
    Ok(Target {
        url: text.to_owned(),
        listen: SocketAddr::new(ip, port),
    })
}

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
        value_name = "URL",
        value_parser = target
    )]
    target: Target,
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
    let Target { url, listen } = arguments.target;
    let mut options = SandboxOptions::to(url.clone());
    options.seed = arguments.seed;
    options.registrants = arguments.registrants;
    options.player.listen = arguments.zoom;
    options.player.pace = Some(Duration::from_secs(arguments.seconds));
    options.brevo_listen = arguments.brevo;
    let sandbox = Sandbox::start(options).await?;
    let places = PipelinePlaces {
        http: listen,
        admin: SocketAddr::from(([127, 0, 0, 1], 9464)),
        log: "embedded: { path: ./rollcall-sandbox }".to_owned(),
    };
    print(&sandbox.configuration_yaml(&places))?;
    let mut screen = Screen::on_standard_error();
    screen.say(&format!(
        "Zoom's clock is at {}, Brevo at {}. Point a pipeline at them with the configuration above;\nthe story begins when {url} answers. Ctrl-C stops.\nBrevo has no faults and no limits until it is told to, for example:\n  curl http://{brevo}/control -d '{SLOW}'\n  curl http://{brevo}/control -d '{FAULTS}'\n",
        sandbox.zoom().clock_url(),
        sandbox.brevo().api_url(),
        brevo = sandbox.brevo().address(),
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

#[cfg(test)]
mod tests {
    use rollcall_sandbox::{Sandbox, SandboxOptions};

    use super::{FAULTS, SLOW, target};

    #[test]
    fn a_pipeline_listens_where_the_target_says() {
        for (url, listen) in [
            ("http://127.0.0.1:8080/webhooks/zoom", "127.0.0.1:8080"),
            ("http://127.0.0.1:18099/webhooks/zoom", "127.0.0.1:18099"),
            ("http://localhost:9000/hook", "127.0.0.1:9000"),
            ("http://[::1]:9000/hook", "[::1]:9000"),
            ("http://pipeline/webhooks/zoom", "0.0.0.0:80"),
        ] {
            assert_eq!(target(url).expect(url).listen.to_string(), listen, "{url}");
        }
        for text in ["", "127.0.0.1:8080", "ftp://127.0.0.1/x", "http://"] {
            assert!(target(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn brevo_understands_what_the_command_shows() {
        let sandbox = Sandbox::start(SandboxOptions::to("http://127.0.0.1:1/"))
            .await
            .expect("a sandbox");
        let control = format!("http://{}/control", sandbox.brevo().address());
        for command in [SLOW, FAULTS] {
            let answer = reqwest::Client::new()
                .post(&control)
                .body(command)
                .send()
                .await
                .expect("an answer");
            assert_eq!(answer.status(), 200, "{command}");
        }
    }
}
