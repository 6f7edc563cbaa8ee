//! The commands.

mod ask;
mod audit;
mod run;
mod sandbox;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use rollcall_schemas::email;

use crate::config::Config;
use crate::demo::{self, DemoArguments};
use crate::inspect::{Place, Redriven};
use crate::roles::Roles;
use crate::show;

pub(crate) use audit::StageCounters;
pub(crate) use run::{start_admin, start_metrics};

/// Takes the roll of every Zoom meeting and webinar, and keeps a Brevo account in step with it.
#[derive(Debug, Parser)]
#[command(name = "rollcall", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration is, unless it is said.
const DEFAULT_FILE: &str = "rollcall.yaml";

/// The configuration file.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(
        short,
        long,
        global = true,
        default_value = DEFAULT_FILE,
        value_name = "FILE"
    )]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the pipeline
    Run {
        #[command(flatten)]
        file: ConfigFile,
        /// Which roles this process has: ingress, poller, processors, sink, with commas between [default: all]
        #[arg(long)]
        roles: Option<Roles>,
    },
    /// Play a seeded account through the whole line, and compare what Brevo has with the truth
    Demo(DemoArguments),
    /// Run a Zoom account and a Brevo account on loopback, to point a pipeline at
    Sandbox(sandbox::SandboxArguments),
    /// How the roles fare
    Status {
        #[command(flatten)]
        file: ConfigFile,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// A person: what is known, from which records, and what Brevo was told
    Contact {
        #[command(flatten)]
        file: ConfigFile,
        /// The person's address
        #[arg(value_parser = address)]
        email: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// A meeting or webinar: times, sessions, people, each with its record. Without an id: all ids
    Occurrence {
        #[command(flatten)]
        file: ConfigFile,
        /// Id of the occurrence
        id: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// What was sent to Brevo, and what came of it
    Deliveries {
        #[command(flatten)]
        file: ConfigFile,
        /// Only this person's
        #[arg(value_parser = address)]
        email: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Records that can never succeed
    DeadLetters {
        #[command(flatten)]
        file: ConfigFile,
        /// As JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        action: Option<DeadLetterAction>,
    },
    /// Add up what became of every record, and say where it does not add up
    Audit {
        #[command(flatten)]
        file: ConfigFile,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The topics: key, value, retention, public or private
    Topics {
        /// The configuration file, for its prefix, partitions and retention [default: rollcall.yaml, where there is one]
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum DeadLetterAction {
    /// All of them, the newest last
    List,
    /// One, whole
    Show {
        /// Where it is, as the list shows it
        place: Place,
    },
    /// Try one again, with the state of now
    Redrive {
        /// Where it is, as the list shows it
        place: Place,
    },
}

/// Does what the command line says.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Run { file, roles } => run::run(&load(&file)?, &roles.unwrap_or_default()).await?,
        Command::Demo(arguments) => return demo::run(arguments).await,
        Command::Sandbox(arguments) => sandbox::run(arguments).await?,
        Command::Status { file, json } => {
            let report = ask::status(&load(&file)?).await?;
            if json {
                print_json(&report)?
            } else {
                print(&report.text())?
            }
        }
        Command::Contact { file, email, json } => {
            let path = ["contact", &email];
            let wanted = email.clone();
            let report = ask::log(&load(&file)?, &path, &[], move |inspector| {
                inspector.contact(&wanted)
            })
            .await?;
            let report = report.with_context(|| format!("nothing is known of {email}"))?;
            if json {
                print_json(&report)?
            } else {
                print(&show::contact(&report))?
            }
        }
        Command::Occurrence {
            file,
            id: None,
            json,
        } => {
            let list = ask::log(&load(&file)?, &["occurrences"], &[], |inspector| {
                inspector.occurrence_ids().map(Some)
            })
            .await?;
            let ids: Vec<String> = list.unwrap_or_default();
            if json {
                print_json(&ids)?
            } else {
                print(&ids.iter().map(|id| format!("{id}\n")).collect::<String>())?
            }
        }
        Command::Occurrence {
            file,
            id: Some(id),
            json,
        } => {
            let path = ["occurrence", &id];
            let wanted = id.clone();
            let report = ask::log(&load(&file)?, &path, &[], move |inspector| {
                inspector.occurrence(&wanted)
            })
            .await?;
            let report = report
                .with_context(|| format!("no occurrence {id}: `rollcall occurrence` lists all"))?;
            if json {
                print_json(&report)?
            } else {
                print(&show::occurrence(&report))?
            }
        }
        Command::Deliveries { file, email, json } => {
            let query: Vec<_> = email
                .as_deref()
                .map(|email| ("email", email))
                .into_iter()
                .collect();
            let wanted = email.clone();
            let list = ask::log(&load(&file)?, &["deliveries"], &query, move |inspector| {
                inspector.deliveries(wanted.as_deref()).map(Some)
            })
            .await?
            .unwrap_or_default();
            if json {
                print_json(&list)?
            } else {
                print(&show::deliveries(&list, email.is_none()))?
            }
        }
        Command::DeadLetters { file, json, action } => dead_letters(&file, action, json).await?,
        Command::Audit { file, json } => {
            let audit = audit::audit(&load(&file)?).await?;
            if json {
                print_json(&audit)?
            } else {
                print(&audit.text())?
            }
            if !audit.balances() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Topics { config } => {
            let settings = config
                .or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()))
                .map(|file| Config::load(&file))
                .transpose()?
                .map(|config| config.topics.settings());
            print(&show::topics(&settings.unwrap_or_default()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn dead_letters(
    file: &ConfigFile,
    action: Option<DeadLetterAction>,
    json: bool,
) -> Result<()> {
    let config = &load(file)?;
    match action.unwrap_or(DeadLetterAction::List) {
        DeadLetterAction::List => {
            let list = ask::log(config, &["dead-letters"], &[], |inspector| {
                inspector.dead_letters().map(Some)
            })
            .await?
            .unwrap_or_default();
            if json {
                print_json(&list)
            } else {
                print(&show::dead_letters(&list))?;
                if !list.is_empty() && file.config != Path::new(DEFAULT_FILE) {
                    print(&format!("Both with:     -c {}\n", file.config.display()))?;
                }
                Ok(())
            }
        }
        DeadLetterAction::Show { place } => {
            let (at, wanted) = (place.to_string(), place.clone());
            let found = ask::log(
                config,
                &["dead-letters", "show"],
                &[("place", &at)],
                move |inspector| inspector.dead_letter(&wanted),
            )
            .await?;
            let found = found.with_context(|| format!("there is no dead letter at {place}"))?;
            if json {
                print_json(&found)
            } else {
                print(&show::dead_letter(&found))
            }
        }
        DeadLetterAction::Redrive { place } => match ask::redrive(config, &place).await? {
            redriven if json => print_json(&redriven),
            Redriven::Appended(now) => print(&format!("{place} is appended again, as {now}\n")),
            Redriven::Asked => print(&format!(
                "The sink takes {place} again; `rollcall deliveries` shows what comes of it\n"
            )),
            Redriven::Settled { why } => {
                print(&format!("Nothing is to be done for {place}: {why}\n"))
            }
        },
    }
}

/// An address as it is a key.
fn address(text: &str) -> Result<String, String> {
    email::normalise(text)
        .map(Into::into)
        .ok_or_else(|| "this is no e-mail address".to_owned())
}

fn load(file: &ConfigFile) -> Result<Config> {
    Ok(Config::load(&file.config)?)
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}
