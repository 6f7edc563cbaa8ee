use super::{FlushPolicy, OpenError, Position, Stamp, StateMemory, Store, successor};
use crate::overlay::Overlay;

/// The position of a store that was opened again in `folder`.
fn reopened(folder: &std::path::Path) -> Option<Position> {
    let memory = StateMemory::new(8 << 20);
    let store = Store::open(folder, &memory, FlushPolicy::default()).unwrap();
    store.stamp().unwrap().map(|stamp| stamp.position)
}

/// What is left of a store that was flushed at 1 and is at 3 when its process is killed.
#[test]
fn a_killed_process_leaves_all_and_a_stopped_machine_what_was_flushed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0");
    let at = |position| Stamp {
        state_version: 1,
        position: Position::Input(position),
        committed_at_ms: 0,
        source: "s".into(),
    };
    let memory = StateMemory::new(8 << 20);
    let mut store = Store::open(&path, &memory, FlushPolicy::default()).unwrap();
    for position in 1..=3 {
        let mut overlay = Overlay::default();
        overlay.set(b"key", Some(position.to_string().into_bytes()));
        overlay.commit();
        store.commit(&mut overlay, &at(position), 1).unwrap();
        if position == 1 {
            store.flush(true).unwrap();
        }
    }
    let copy = |name: &str, leave_out: Option<&str>, cut: u64| {
        let copy = folder.path().join(name);
        std::fs::create_dir(&copy).unwrap();
        for entry in std::fs::read_dir(&path).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap();
            if leave_out == Some(name) {
                continue;
            }
            let copied = copy.join(name);
            let bytes = std::fs::copy(&file, &copied).unwrap();
            if name.ends_with(".log") && bytes > 0 {
                let file = std::fs::File::options().write(true).open(copied).unwrap();
                file.set_len(bytes - cut).unwrap();
            }
        }
        copy
    };
    assert_eq!(reopened(&copy("killed", None, 0)), Some(Position::Input(3)));
    assert_eq!(reopened(&copy("torn", None, 1)), Some(Position::Input(2)));
    let stopped = copy("stopped", Some("BOOT"), 0);
    assert_eq!(reopened(&stopped), Some(Position::Input(1)));
    assert_eq!(reopened(&stopped), Some(Position::Input(1)));
}

#[test]
fn the_end_of_a_prefix() {
    assert_eq!(successor(b"ab").as_deref(), Some(&b"ac"[..]));
    assert_eq!(successor(b"a\xff\xff").as_deref(), Some(&b"b"[..]));
    assert_eq!(successor(b"\xff"), None);
    assert_eq!(successor(b""), None);
}

#[test]
fn a_store_in_use_is_told_from_a_damaged_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0");
    let memory = StateMemory::new(8 << 20);
    let open = || Store::open(&path, &memory, FlushPolicy::default());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    assert!(matches!(open(), Ok(_) | Err(OpenError::InUse(_))));
                }
            });
        }
    });
    let mut first = open().unwrap();
    assert!(matches!(open(), Err(OpenError::InUse(_))));
    first.flush(true).unwrap();
    drop(first);
    std::fs::write(path.join("CURRENT"), "no manifest\n").unwrap();
    assert!(matches!(open(), Err(OpenError::Damaged(_))));
}
