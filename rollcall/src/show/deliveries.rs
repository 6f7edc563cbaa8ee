//! The ledger, and the dead letters.

use super::{lines, moment, symbol, table};
use crate::inspect::{DeadLetter, DeliveryLine};

/// Effects, one a line; with the address where they are of several people.
pub(crate) fn deliveries(effects: &[DeliveryLine], with_address: bool) -> String {
    if effects.is_empty() {
        return "Nothing was sent to Brevo yet.\n".to_owned();
    }
    let mut head = vec!["time (UTC)", "what", "state", "tries", "answer", "record"];
    if with_address {
        head.insert(1, "email");
    }
    let mut list = table(&head);
    for line in effects {
        let answer = [
            line.http_status.map(|status| status.to_string()),
            line.reason.clone(),
        ];
        let mut row = vec![
            moment(line.updated_at),
            line.effect_id.clone(),
            symbol(&line.state),
            line.attempts.to_string(),
            answer.into_iter().flatten().collect::<Vec<_>>().join(" "),
            line.place.to_string(),
        ];
        if with_address {
            row.insert(1, line.email.clone());
        }
        list.add_row(row);
    }
    lines(&list)
}

/// Dead letters, one a line.
pub(crate) fn dead_letters(letters: &[DeadLetter]) -> String {
    if letters.is_empty() {
        return "No dead letters.\n".to_owned();
    }
    let mut list = table(&["time (UTC)", "place", "stage", "class", "key", "message"]);
    for letter in letters {
        list.add_row([
            moment(letter.at),
            letter.place.to_string(),
            letter.stage.clone(),
            letter.class.clone(),
            letter.key.clone(),
            letter.message.clone(),
        ]);
    }
    let mut text = lines(&list);
    text.push_str("\nShow one:      rollcall dead-letters show PLACE\nTry one again: rollcall dead-letters redrive PLACE\n");
    text
}
