//! A log that cannot write takes what it has room for, and no more.

use std::task::{Context, Poll, Waker};

use rollcall_eventlog::{AppendFuture, LogError};

use crate::harness::{Engine, append, contents_at, eventually, partition, topic, wait};

/// The answer that is there already, if any.
fn now(append: &mut AppendFuture) -> Option<Result<i64, LogError>> {
    match append
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

pub(crate) fn what_finds_no_room_is_refused_at_once_and_the_rest_is_kept(engine: &dyn Engine) {
    let mut crowded = engine.crowded();
    let topic = topic(crowded.log(), "busy", 1);
    let source = partition(&topic, 0);
    let appender = crowded.log().appender().unwrap();
    append(&*appender, &source, "k", "before");

    crowded.hold();
    let value = |number: usize| format!("{number:0100}");
    let append_one = |number: usize| appender.append(&source, Some(b"k"), value(number).as_bytes());
    let mut taken = Vec::new();
    let refused = loop {
        let mut append = append_one(taken.len());
        match now(&mut append) {
            None => taken.push(append),
            Some(answer) => break answer.unwrap_err(),
        }
    };
    assert!(matches!(refused, LogError::Busy { .. }), "{refused}");
    assert!(refused.is_retriable());
    // What is being written leaves room for as much again at most.
    assert!((50..=200).contains(&taken.len()), "{}", taken.len());
    for append in &mut taken {
        let early = now(append);
        assert!(early.is_none(), "not written yet: {early:?}");
    }
    let again = now(&mut append_one(taken.len()));
    assert!(
        matches!(again, Some(Err(LogError::Busy { .. }))),
        "{again:?}"
    );

    crowded.release();
    let late = taken.len();
    let late_offset = eventually("room", || match wait(append_one(late)) {
        Ok(offset) => Some(offset),
        Err(error) => {
            assert!(error.is_retriable(), "{error}");
            None
        }
    });
    let mut acknowledged = vec![(0, "before".to_owned())];
    for (number, append) in taken.into_iter().enumerate() {
        acknowledged.push((wait(append).unwrap(), value(number)));
    }
    acknowledged.push((late_offset, value(late)));
    let found: Vec<_> = contents_at(crowded.log(), &source)
        .into_iter()
        .map(|(offset, (_, value))| (offset, value.unwrap()))
        .collect();
    assert_eq!(found, acknowledged);
    crowded.log().close().unwrap();
}
