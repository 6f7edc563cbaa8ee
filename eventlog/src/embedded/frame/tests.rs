use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::batch::Header;
use crate::embedded::chunk::Records;

#[derive(Clone, Debug, PartialEq)]
struct Content {
    sections: Vec<(PartitionId, Vec<Record>)>,
    offsets: Vec<GroupOffset>,
}

type Record = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>);

fn content() -> impl Strategy<Value = Content> {
    let bytes = || vec(any::<u8>(), 0..40);
    let record =
        (option::of(bytes()), option::of(bytes()), bytes()).prop_map(|(key, value, header)| {
            let mut headers = Vec::new();
            Headers::encode_into(
                Header {
                    name: "h",
                    value: &header,
                },
                &mut headers,
            );
            (key, value, headers)
        });
    let partition =
        || (0..9_u32, 0..9_u32).prop_map(|(topic, partition)| PartitionId { topic, partition });
    let offset =
        ("[a-z]{0,9}", partition(), any::<i64>()).prop_map(|(group, partition, offset)| {
            GroupOffset {
                group: group.into(),
                partition,
                offset,
            }
        });
    (
        vec((partition(), vec(record, 1..8)), 0..4),
        vec(offset, 0..4),
    )
        .prop_map(|(sections, offsets)| Content { sections, offsets })
}

fn build(content: &Content, base: i64, sequence: u64) -> Vec<u8> {
    let mut builder = FrameBuilder::with_capacity(0);
    for (partition, records) in &content.sections {
        builder.section(*partition, |out| {
            let mut writer = ChunkWriter::default();
            for (key, value, headers) in records {
                let headers = Headers::from_encoded(headers);
                writer.push(out, key.as_deref(), value.as_deref(), headers);
            }
            writer.close(out);
        });
    }
    let mut frame = builder.finish(content.offsets.clone()).unwrap();
    for section in 0..content.sections.len() {
        frame.stamp_section(section, base, 77);
    }
    frame.seal(sequence, sequence / 2);
    frame.bytes().to_vec()
}

fn parse(file: &[u8], frame: &FoundFrame, base: i64) -> Content {
    let sections = frame.sections.iter().map(|section| {
        let mut records = Vec::new();
        let mut at = section.chunks.start;
        let mut next = base;
        while at < section.chunks.end {
            let header = ChunkHeader::read(&file[at..]).unwrap();
            assert!(header.is_intact(&file[at..at + header.bytes]));
            assert_eq!((header.base, header.timestamp), (next, 77));
            let mut steps = Records::new(&header, at);
            while let Some(entry) = steps.next(file) {
                assert_eq!(entry.offset, next);
                next += 1;
                let record = entry.record(file);
                records.push((
                    record.key.map(<[u8]>::to_vec),
                    record.value.map(<[u8]>::to_vec),
                    record.headers.encoded().to_vec(),
                ));
            }
            assert_eq!(header.next_offset(), next);
            at += header.bytes;
        }
        (section.partition, records)
    });
    Content {
        sections: sections.collect(),
        offsets: frame.offsets.clone(),
    }
}

proptest! {
    #[test]
    fn a_frame_is_read_as_it_was_written(content in content(), before in vec(any::<u8>(), 0..9), base in 0..1_000_000_i64, sequence: u64) {
        let mut file = before.clone();
        file.extend(build(&content, base, sequence));
        let frame = read(&file, before.len()).unwrap();
        prop_assert_eq!(frame.sequence, sequence);
        prop_assert_eq!(frame.durable, sequence / 2);
        prop_assert_eq!(frame.bytes, file.len() - before.len());
        prop_assert_eq!(parse(&file, &frame, base), content);
    }

    #[test]
    fn a_frame_that_is_not_whole_is_none(content in content(), cut in any::<prop::sample::Index>()) {
        let file = build(&content, 5, 1);
        prop_assert_eq!(read(&file[..cut.index(file.len())], 0), None);
    }

    #[test]
    fn a_frame_with_one_other_bit_is_none(content in content(), bit in any::<prop::sample::Index>()) {
        let mut file = build(&content, 5, 1);
        let bit = bit.index(file.len() * 8);
        file[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(read(&file, 0), None);
    }

    #[test]
    fn any_bytes_are_a_frame_or_none(mut file in vec(any::<u8>(), 0..200)) {
        if file.len() >= 4 {
            file[..4].copy_from_slice(&MAGIC.to_le_bytes());
        }
        prop_assert_eq!(read(&file, 0), None);
    }
}

#[test]
fn long_sections_are_several_chunks() {
    let records = vec![(None, Some(vec![1; 1000]), Vec::new()); 1000];
    let partition = PartitionId {
        topic: 1,
        partition: 2,
    };
    let content = Content {
        sections: vec![(partition, records)],
        offsets: Vec::new(),
    };
    let file = build(&content, 10, 1);
    let frame = read(&file, 0).unwrap();
    assert!(
        ChunkHeader::read(&file[frame.sections[0].chunks.start..])
            .unwrap()
            .bytes
            < 300_000
    );
    assert_eq!(parse(&file, &frame, 10), content);
}
