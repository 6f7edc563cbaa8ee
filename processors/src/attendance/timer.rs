//! The moments at which stream time matters next, in the order of time.

use rollcall_runtime::{StateError, StateView};

const TIMERS: &[u8] = b"t/";

fn timer_key(due: i64, id: &str) -> Vec<u8> {
    [TIMERS, &due.to_be_bytes(), id.as_bytes()].concat()
}

/// Puts the timer of a meeting from one moment to another.
pub(super) fn set_timer(
    state: &mut dyn StateView,
    id: &str,
    former: Option<i64>,
    due: Option<i64>,
) {
    if let Some(former) = former {
        state.delete(&timer_key(former, id));
    }
    if let Some(due) = due {
        state.put(&timer_key(due, id), vec![1]);
    }
}

/// The meetings for which stream time matters by `now`, and the moment at which it matters next.
pub(super) fn due(
    state: &mut dyn StateView,
    now: i64,
) -> Result<(Vec<String>, Option<i64>), StateError> {
    let mut due = Vec::new();
    let mut next = None;
    state.scan(TIMERS, &mut |key, _| {
        let rest = &key[TIMERS.len()..];
        let Some((at, id)) = rest.split_first_chunk::<8>() else {
            return false;
        };
        let at = i64::from_be_bytes(*at);
        if at > now {
            next = Some(at);
            return false;
        }
        due.push(String::from_utf8_lossy(id).into_owned());
        true
    })?;
    Ok((due, next))
}
