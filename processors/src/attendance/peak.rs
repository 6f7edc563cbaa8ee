//! The most people present at once.

use super::stay::Stay;

/// The greatest number of people present at one moment. One who is there by several stays at once is
/// one; one who leaves at the moment that another comes is not there with him.
pub(super) fn peak(people: impl Iterator<Item = Vec<Stay>>) -> i32 {
    let mut turns: Vec<(i64, i32)> = Vec::new();
    for mut stays in people {
        stays.sort_unstable();
        let mut current: Option<(i64, i64)> = None;
        for stay in stays {
            let leave = stay.leave.unwrap_or(i64::MAX);
            match &mut current {
                Some((_, to)) if stay.join <= *to => *to = leave.max(*to),
                _ => {
                    turns.extend(
                        current
                            .into_iter()
                            .flat_map(|(from, to)| [(from, 1), (to, -1)]),
                    );
                    current = Some((stay.join, leave));
                }
            }
        }
        turns.extend(
            current
                .into_iter()
                .flat_map(|(from, to)| [(from, 1), (to, -1)]),
        );
    }
    turns.sort_unstable();
    let mut present = 0;
    turns
        .into_iter()
        .map(|(_, turn)| {
            present += turn;
            present
        })
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::stay::Stay;
    use super::peak;

    fn stays(list: &[(i64, i64)]) -> Vec<Stay> {
        list.iter()
            .map(|(join, leave)| Stay {
                join: *join,
                leave: Some(*leave),
            })
            .collect()
    }

    #[test]
    fn two_devices_are_one_person_and_a_change_of_guard_is_not_two() {
        assert_eq!(peak([stays(&[(0, 10), (5, 15)])].into_iter()), 1);
        assert_eq!(peak([stays(&[(0, 10)]), stays(&[(10, 20)])].into_iter()), 1);
        assert_eq!(
            peak(
                [
                    stays(&[(0, 10)]),
                    stays(&[(9, 20), (30, 40)]),
                    stays(&[(9, 10)])
                ]
                .into_iter()
            ),
            3
        );
        assert_eq!(peak(std::iter::empty()), 0);
    }
}
