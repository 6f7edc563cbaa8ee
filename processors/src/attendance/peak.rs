//! The most people present at once.

use super::stay::Stay;

/// Comings and goings of people.
#[derive(Debug, Default)]
pub(super) struct Presence {
    turns: Vec<(i64, i32)>,
}

impl Presence {
    /// Adds one person by all of his stays, which it sorts. One who is there by several at once is
    /// one.
    pub(super) fn add(&mut self, stays: &mut [Stay]) {
        stays.sort_unstable();
        let mut current: Option<(i64, i64)> = None;
        for stay in stays {
            let leave = stay.leave.unwrap_or(i64::MAX);
            match &mut current {
                Some((_, to)) if stay.join <= *to => *to = leave.max(*to),
                _ => self.turn(current.replace((stay.join, leave))),
            }
        }
        self.turn(current);
    }

    fn turn(&mut self, time: Option<(i64, i64)>) {
        if let Some((from, to)) = time {
            self.turns.extend([(from, 1), (to, -1)]);
        }
    }

    /// The greatest number of people present at one moment. One who leaves at the moment that
    /// another comes is not there with him.
    pub(super) fn peak(mut self) -> i32 {
        self.turns.sort_unstable();
        let mut present = 0;
        self.turns
            .into_iter()
            .map(|(_, turn)| {
                present += turn;
                present
            })
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::stay::Stay;
    use super::Presence;

    fn peak(people: &[&[(i64, i64)]]) -> i32 {
        let mut presence = Presence::default();
        for stays in people {
            let mut stays: Vec<_> = stays
                .iter()
                .map(|(join, leave)| Stay {
                    join: *join,
                    leave: Some(*leave),
                })
                .collect();
            presence.add(&mut stays);
        }
        presence.peak()
    }

    #[test]
    fn two_devices_are_one_person_and_a_change_of_guard_is_not_two() {
        assert_eq!(peak(&[&[(0, 10), (5, 15)]]), 1);
        assert_eq!(peak(&[&[(0, 10)], &[(10, 20)]]), 1);
        assert_eq!(peak(&[&[(0, 10)], &[(9, 20), (30, 40)], &[(9, 10)]]), 3);
        assert_eq!(peak(&[]), 0);
    }
}
