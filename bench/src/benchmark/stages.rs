//! `bench-stages`: the two stages alone, without a log and with their state in memory: records per
//! CPU-second, and where the time goes.
//!
//! `SMALL=1` takes a small load; `UNIT=50000` sets the records of a unit of work.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a person")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rollcall_bench::answer::{Answer, Found};
use rollcall_bench::input::{Webhook, Webhooks};
use rollcall_bench::line::PARTITIONS;
use rollcall_bench::measure::thread_cpu;
use rollcall_bench::memory_state::MemoryState;
use rollcall_bench::peer::{Load, Size, load};
use rollcall_bench::report::Report;
use rollcall_bench::setting::setting;
use rollcall_eventlog::{
    Headers, OutputBatch, RecordBatch, RecordBatchBuilder, RecordRef, TopicPartition,
};
use rollcall_processors::attendance::{Attendance, AttendanceSettings, NoShowProof};
use rollcall_processors::engagement::Engagement;
use rollcall_processors::normalize::{Normalized, Normalizer};
use rollcall_runtime::{Stage, TopicSettings, Unit};
use rollcall_schemas::avro::Encode;
use rollcall_schemas::catalogue::{
    ENGAGEMENT_ATTENDANCE, ENGAGEMENT_CONTACTS, ZOOM_EVENTS, ZOOM_RAW,
};
use rollcall_schemas::partitioner;
use rollcall_schemas::record::{AttendanceRow, RawRecord, ZoomEvent};
use rollcall_schemas::wire::{ATTENDANCE_ROW, RAW_RECORD, RecordSchema, ZOOM_EVENT};
use serde::Serialize;

const BATCH: usize = 10_000;

/// What one stage took.
#[derive(Debug, Default, Serialize)]
struct Spent {
    records: u64,
    process: Duration,
    finish: Duration,
    state: Duration,
    reads: u64,
    writes: u64,
    written_bytes: u64,
    keys: usize,
    outputs: u64,
    output_bytes: u64,
}

/// Outputs of a stage, kept for what comes next.
#[derive(Default)]
struct Kept {
    records: Vec<KeptRecord>,
}

struct KeptRecord {
    topic: Arc<str>,
    partition: u32,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

pub(crate) fn run() -> Result<()> {
    let size = Size::from_environment();
    let unit_records = setting("UNIT", 50_000)?;
    let load = load(&size)?;
    let (partitions, webhooks) = read_input(&load)?;
    println!(
        "{webhooks} webhooks, {PARTITIONS} partitions, units of work of {unit_records} records, one thread"
    );

    let decode = time(|| each_raw(&partitions, |_| ()))?;
    let mut normalizer = Normalizer::new();
    let mut events = 0_u64;
    let normalize = time(|| {
        each_raw(&partitions, |raw| {
            events += u64::from(matches!(normalizer.normalize(raw), Normalized::Event(_)))
        })
    })?;

    let topics = TopicSettings::default();
    let settings = AttendanceSettings {
        no_show_proof: NoShowProof::Webhooks,
        ..AttendanceSettings::default()
    };
    let mut kept = Kept::default();
    let attendance = run_stage(
        &Attendance::new(settings, &topics),
        &partitions,
        unit_records,
        &mut kept,
    )?;
    drop(partitions);
    let encode_events =
        encode_time::<ZoomEvent<'_>>(&kept, ZOOM_EVENTS.name, &ZOOM_EVENT, |bytes| {
            ZOOM_EVENT.decode(bytes)
        })?;
    let encode_rows = encode_time::<AttendanceRow<'_>>(
        &kept,
        ENGAGEMENT_ATTENDANCE.name,
        &ATTENDANCE_ROW,
        |bytes| ATTENDANCE_ROW.decode(bytes),
    )?;

    let mut found = Found::default();
    let rows = kept.batches(ENGAGEMENT_ATTENDANCE.name, |key, value| {
        found.take_row(key, value)
    })?;
    drop(kept);
    let mut kept = Kept::default();
    let engagement = run_stage(&Engagement::new(&topics), &rows, unit_records, &mut kept)?;
    for contact in kept.of(ENGAGEMENT_CONTACTS.name) {
        found.take_contact(
            contact
                .value
                .as_deref()
                .context("a contact of this load was taken back")?,
        )?;
    }
    Answer::read(&load.expected)?.check(&found)?;
    println!("rows and contacts equal the generator's answer");

    let micros = |spent: Duration| format!("{:.2} µs", spent.as_secs_f64() * 1e6 / webhooks as f64);
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::UTF8_FULL_CONDENSED)
        .set_header(["part", "CPU s", "a webhook"]);
    let mut line = |name: &str, spent: Duration| {
        table.add_row([
            name.to_owned(),
            format!("{:.2}", spent.as_secs_f64()),
            micros(spent),
        ]);
    };
    let normalize_only = normalize.saturating_sub(decode);
    line("decode zoom.raw", decode);
    line("normalize", normalize_only);
    line(
        "attendance: take an event (dedup, roll, event encoded)",
        attendance.process.saturating_sub(normalize),
    );
    line("  of it: encoding zoom.events", encode_events);
    line("attendance: finish (rows, state)", attendance.finish);
    line("  of it: encoding engagement.attendance", encode_rows);
    line("  of both: state in memory", attendance.state);
    line("engagement: process", engagement.process);
    line("engagement: finish", engagement.finish);
    line("  of both: state in memory", engagement.state);
    let total = attendance.process + attendance.finish + engagement.process + engagement.finish;
    line("all", total);
    println!("{table}");
    for (name, spent) in [("attendance", &attendance), ("engagement", &engagement)] {
        println!(
            "{name}: {} in, {} out ({} bytes each), {} keys read, {} written ({} bytes each), {} held",
            spent.records,
            spent.outputs,
            spent.output_bytes / spent.outputs.max(1),
            spent.reads,
            spent.writes,
            spent.written_bytes / spent.writes.max(1),
            spent.keys
        );
    }
    let rate = webhooks as f64 / total.as_secs_f64();
    println!(
        "{rate:.0} webhooks per CPU-second, log and store not counted; {events} normalized to events"
    );

    let mut report = Report::new("stages");
    report.note("load", format!("{}: {webhooks} webhooks", size.name));
    #[derive(Serialize)]
    struct Run {
        webhooks_per_cpu_s: f64,
        decode_s: f64,
        normalize_s: f64,
        attendance_process_s: f64,
        attendance_finish_s: f64,
        attendance_state_s: f64,
        encode_events_s: f64,
        encode_rows_s: f64,
        engagement_process_s: f64,
        engagement_finish_s: f64,
        engagement_state_s: f64,
    }
    let run = Run {
        webhooks_per_cpu_s: rate,
        decode_s: decode.as_secs_f64(),
        normalize_s: normalize_only.as_secs_f64(),
        attendance_process_s: attendance.process.as_secs_f64(),
        attendance_finish_s: attendance.finish.as_secs_f64(),
        attendance_state_s: attendance.state.as_secs_f64(),
        encode_events_s: encode_events.as_secs_f64(),
        encode_rows_s: encode_rows.as_secs_f64(),
        engagement_process_s: engagement.process.as_secs_f64(),
        engagement_finish_s: engagement.finish.as_secs_f64(),
        engagement_state_s: engagement.state.as_secs_f64(),
    };
    report.runs("stages", &[run])?;
    report.finish()?;
    Ok(())
}

/// The load as batches of `zoom.raw`, by partition, with its ticks.
fn read_input(load: &Load) -> Result<(Vec<Vec<RecordBatch>>, u64)> {
    let mut writers: Vec<PartitionWriter> = (0..PARTITIONS)
        .map(|partition| PartitionWriter::new(ZOOM_RAW.name, partition))
        .collect();
    let mut input = Webhooks::open(&load.webhooks)?;
    let (mut webhook, mut value, mut count) = (Webhook::default(), Vec::new(), 0);
    let tick_all = |writers: &mut [PartitionWriter], ticks: Vec<Vec<u8>>| {
        for tick in ticks {
            for writer in &mut *writers {
                writer.push(b"tick", Some(&tick));
            }
        }
    };
    while input.read(&mut webhook)? {
        tick_all(&mut writers, input.ticks_before(&webhook));
        value.clear();
        input.raw_record(&webhook, &mut value);
        writers[partitioner::partition(&webhook.key, PARTITIONS) as usize]
            .push(&webhook.key, Some(&value));
        count += 1;
    }
    tick_all(&mut writers, input.last_ticks());
    Ok((
        writers.into_iter().map(PartitionWriter::finish).collect(),
        count,
    ))
}

/// Cuts records of a partition into batches.
struct PartitionWriter {
    partition: TopicPartition,
    builder: RecordBatchBuilder,
    batches: Vec<RecordBatch>,
    offset: i64,
}

impl PartitionWriter {
    fn new(topic: &str, partition: u32) -> Self {
        let partition = TopicPartition::new(topic, partition);
        Self {
            builder: RecordBatchBuilder::new(partition.clone()),
            partition,
            batches: Vec::new(),
            offset: 0,
        }
    }

    fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        let record = RecordRef {
            offset: self.offset,
            timestamp: 0,
            key: Some(key),
            value,
            headers: Headers::default(),
        };
        self.builder.push(record);
        self.offset += 1;
        if self.builder.len() == BATCH {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let full = std::mem::replace(
            &mut self.builder,
            RecordBatchBuilder::new(self.partition.clone()),
        );
        self.batches.push(full.finish(self.offset));
    }

    fn finish(mut self) -> Vec<RecordBatch> {
        self.cut();
        self.batches
    }
}

impl Kept {
    /// The records of one topic.
    fn of(&self, topic: &str) -> impl Iterator<Item = &KeptRecord> {
        self.records
            .iter()
            .filter(move |record| *record.topic == *topic)
    }

    /// The records of one topic as batches by partition, each shown to `see`.
    fn batches(
        &self,
        topic: &str,
        mut see: impl FnMut(&[u8], Option<&[u8]>) -> Result<()>,
    ) -> Result<Vec<Vec<RecordBatch>>> {
        let mut writers: Vec<PartitionWriter> = (0..PARTITIONS)
            .map(|partition| PartitionWriter::new(topic, partition))
            .collect();
        for record in self.of(topic) {
            writers[record.partition as usize].push(&record.key, record.value.as_deref());
            see(&record.key, record.value.as_deref())?;
        }
        Ok(writers.into_iter().map(PartitionWriter::finish).collect())
    }
}

fn time(run: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = thread_cpu()?;
    run()?;
    Ok(thread_cpu()? - start)
}

fn each_raw(partitions: &[Vec<RecordBatch>], mut see: impl FnMut(&RawRecord<'_>)) -> Result<()> {
    for batch in partitions.iter().flatten() {
        for record in batch.iter() {
            let raw: RawRecord<'_> = RAW_RECORD.decode(record.value.unwrap_or_default())?;
            see(&raw);
        }
    }
    Ok(())
}

/// Runs a stage over all partitions, one after the other.
fn run_stage(
    stage: &dyn Stage,
    partitions: &[Vec<RecordBatch>],
    unit_records: usize,
    kept: &mut Kept,
) -> Result<Spent> {
    let mut spent = Spent::default();
    for (partition, batches) in (0..).zip(partitions) {
        let mut task = stage.task(partition);
        let mut state = MemoryState::default();
        let mut outputs = OutputBatch::default();
        let mut outcomes = Vec::new();
        let mut open = 0;
        for (index, batch) in batches.iter().enumerate() {
            outcomes.clear();
            let mut unit = Unit {
                state: &mut state,
                outputs: &mut outputs,
            };
            spent.process += time(|| Ok(task.process(batch, &mut unit, &mut outcomes)?))?;
            open += batch.len();
            spent.records += batch.len() as u64;
            if open >= unit_records || index + 1 == batches.len() {
                spent.finish += time(|| Ok(task.finish(&mut unit)?))?;
                open = 0;
                for output in outputs.iter() {
                    spent.outputs += 1;
                    spent.output_bytes += (output.key.map_or(0, <[u8]>::len)
                        + output.value.map_or(0, <[u8]>::len))
                        as u64;
                    kept.records.push(KeptRecord {
                        topic: Arc::clone(output.topic),
                        partition: output.partition,
                        key: output.key.unwrap_or_default().to_vec(),
                        value: output.value.map(<[u8]>::to_vec),
                    });
                }
                outputs.clear();
            }
        }
        spent.state += state.spent;
        spent.reads += state.reads;
        spent.writes += state.writes;
        spent.written_bytes += state.written_bytes;
        spent.keys += state.len();
    }
    Ok(spent)
}

/// CPU time of encoding all records of a topic again.
fn encode_time<'k, T: Encode + 'k>(
    kept: &'k Kept,
    topic: &str,
    schema: &'static RecordSchema,
    decode: impl Fn(&'k [u8]) -> Result<T, rollcall_schemas::wire::WireError>,
) -> Result<Duration> {
    let mut encoder = schema.encoder();
    let mut out = Vec::new();
    let mut spent = Duration::ZERO;
    let values: Vec<&[u8]> = kept
        .of(topic)
        .filter_map(|record| record.value.as_deref())
        .collect();
    for values in values.chunks(BATCH) {
        let decoded = values
            .iter()
            .map(|bytes| decode(bytes))
            .collect::<Result<Vec<_>, _>>()?;
        spent += time(|| {
            for value in &decoded {
                out.clear();
                encoder.encode_into(value, &mut out);
            }
            Ok(())
        })?;
    }
    Ok(spent)
}
