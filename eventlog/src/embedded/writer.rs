//! The writer thread: takes what waits, makes it durable with one sync, and shows it to readers.

use std::sync::Arc;
use std::time::Instant;

use super::completion::{Owed, Refusal};
use super::engine::Engine;
use super::frame::{Frame, FrameBuilder, GroupOffset, Section};
use super::housekeeping::Bell;
use super::journal::Journal;
use super::queue::{AppendRun, Request};
use super::sync::write;
use crate::{LogError, metric};

/// The one that writes.
#[derive(Debug)]
pub(super) struct Writer {
    engine: Arc<Engine>,
    journal: Journal,
    last_timestamp: i64,
    housekeeping: Arc<Bell>,
}

/// A frame with its offsets, and who waits for it.
struct Stamped {
    frame: Frame,
    bases: Vec<i64>,
    owed: Owed,
}

impl Writer {
    pub(super) fn new(
        engine: Arc<Engine>,
        journal: Journal,
        last_timestamp: i64,
        housekeeping: Arc<Bell>,
    ) -> Self {
        Self {
            engine,
            journal,
            last_timestamp,
            housekeeping,
        }
    }

    /// Writes until the queue ends.
    pub(super) fn run(mut self) {
        let _stop = StopOnPanic(Arc::clone(&self.engine));
        while let Some(work) = self.engine.queue.take() {
            if !work.requests.is_empty() {
                self.commit(work.requests);
            }
            for asked in work.snapshots {
                let position = self.journal.roll();
                // Whoever asked may have given up.
                let _ = asked.send(self.engine.snapshot(position, self.last_timestamp));
            }
        }
    }

    fn commit(&mut self, requests: Vec<Request>) {
        let bytes: usize = requests.iter().map(size).sum();
        // What is written to the journal is written to the segments too.
        if let Err(error) = self.engine.space.check(2 * bytes as u64) {
            let refusal = Refusal::NotBegun(Arc::new(error));
            for request in &requests {
                request.owed().answer(Err(refusal.clone()));
            }
            return;
        }
        // Time never goes back, so that an offset can be found by it.
        self.last_timestamp = self.last_timestamp.max(self.engine.now.ms());
        let mut stamped: Vec<_> = requests.into_iter().map(|it| self.stamp(it)).collect();
        match self.write(&mut stamped) {
            Ok(()) => {
                for one in stamped {
                    one.owed.answer(Ok(one.bases));
                }
                metrics::counter!(metric::EMBEDDED_JOURNAL_BYTES_TOTAL).increment(bytes as u64);
                self.housekeeping.written(bytes as u64);
            }
            Err(error) => {
                let reason: Arc<str> = error.to_string().into();
                self.engine.stop(&reason);
                for one in stamped {
                    one.owed.answer(Err(Refusal::Unclear(Arc::clone(&reason))));
                }
            }
        }
    }

    fn stamp(&self, request: Request) -> Stamped {
        let (mut frame, owed) = match request {
            Request::Appends(mut run) => (frame_of(&mut run), run.owed),
            Request::Unit { frame, owed } => (frame, owed),
        };
        let mut bases = Vec::with_capacity(frame.sections().len());
        for section in 0..frame.sections().len() {
            let id = frame.sections()[section].partition;
            let partition = self
                .engine
                .topics
                .by_id(id)
                .expect("frames name topics that exist");
            bases.push(partition.stamp(&mut frame, section, self.last_timestamp));
        }
        Stamped { frame, bases, owed }
    }

    fn write(&mut self, stamped: &mut [Stamped]) -> Result<(), LogError> {
        for one in &mut *stamped {
            self.journal.write(&mut one.frame)?;
        }
        let begun = Instant::now();
        self.journal.sync()?;
        metrics::histogram!(metric::EMBEDDED_SYNC_SECONDS).record(begun.elapsed());
        for one in stamped {
            apply(&self.engine, one.frame.bytes(), one.frame.sections())?;
            publish(&self.engine, one.frame.sections(), one.frame.offsets());
        }
        Ok(())
    }
}

/// Writes the sections of a frame through to the segments.
pub(super) fn apply(engine: &Engine, bytes: &[u8], sections: &[Section]) -> Result<(), LogError> {
    for section in sections {
        if let Some(partition) = engine.topics.by_id(section.partition) {
            let chunks = &bytes[section.chunks.clone()];
            partition.write(&engine.disk, chunks, engine.segments.bytes)?;
        }
    }
    Ok(())
}

/// Shows readers a frame, whole.
pub(super) fn publish(engine: &Engine, sections: &[Section], offsets: &[GroupOffset]) {
    let partitions: Vec<_> = sections
        .iter()
        .filter_map(|section| engine.topics.by_id(section.partition))
        .collect();
    {
        let one_moment = write(&engine.publication);
        for partition in &partitions {
            partition.publish(&one_moment);
        }
        engine.offsets.apply(offsets);
    }
    for partition in partitions {
        partition.wake();
    }
}

fn size(request: &Request) -> usize {
    match request {
        Request::Appends(run) => run
            .sections
            .iter()
            .map(|section| section.chunks.len())
            .sum(),
        Request::Unit { frame, .. } => frame.bytes().len(),
    }
}

fn frame_of(run: &mut AppendRun) -> Frame {
    let bytes: usize = run
        .sections
        .iter()
        .map(|section| section.chunks.len() + 32)
        .sum();
    let mut builder = FrameBuilder::with_capacity(bytes);
    for section in &mut run.sections {
        section.close();
        builder.section(section.partition.id, |out| {
            out.extend_from_slice(&section.chunks)
        });
    }
    builder
        .finish(Vec::new())
        .expect("the queue bounds a run far below the largest frame")
}

/// Stops the log where the writer ends by a fault of its own.
struct StopOnPanic(Arc<Engine>);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop(&Arc::from(
                "the writer thread ended by a fault in the program",
            ));
        }
    }
}
