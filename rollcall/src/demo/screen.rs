//! A block of lines that is drawn over itself in a terminal; elsewhere a line now and then.

use std::io::{IsTerminal, Stderr, Stdout, Write};
use std::time::{Duration, Instant};

/// How often a block's first lines are said where it cannot be drawn over.
const EVERY: Duration = Duration::from_secs(5);

/// Where a person looks.
pub(crate) struct Screen {
    out: Out,
    terminal: bool,
    drawn: usize,
    said: Option<Instant>,
}

enum Out {
    Standard(Stdout),
    Error(Stderr),
}

impl Screen {
    pub(crate) fn on_standard_output() -> Self {
        let out = std::io::stdout();
        Self {
            terminal: out.is_terminal(),
            out: Out::Standard(out),
            drawn: 0,
            said: None,
        }
    }

    pub(crate) fn on_standard_error() -> Self {
        let out = std::io::stderr();
        Self {
            terminal: out.is_terminal(),
            out: Out::Error(out),
            drawn: 0,
            said: None,
        }
    }

    /// Draws the block in place of the one before.
    pub(crate) fn draw(&mut self, block: &str) {
        if self.terminal {
            let up = if self.drawn > 0 {
                format!("\x1b[{}F\x1b[J", self.drawn)
            } else {
                String::new()
            };
            self.write(&format!("{up}{block}"));
            self.drawn = block.lines().count();
        } else if self.said.is_none_or(|said| said.elapsed() >= EVERY) {
            self.said = Some(Instant::now());
            let line: Vec<_> = block
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .take(5)
                .collect();
            self.write(&format!("{}\n", line.join(" | ")));
        }
    }

    /// Leaves what was drawn, and goes on below it.
    pub(crate) fn keep(&mut self) {
        self.drawn = 0;
        self.said = None;
    }

    /// Writes text that stays.
    pub(crate) fn say(&mut self, text: &str) {
        self.keep();
        self.write(text);
    }

    /// A terminal that went away is no reason to stop.
    fn write(&mut self, text: &str) {
        let _ = match &mut self.out {
            Out::Standard(out) => out.write_all(text.as_bytes()).and_then(|()| out.flush()),
            Out::Error(out) => out.write_all(text.as_bytes()).and_then(|()| out.flush()),
        };
    }
}
