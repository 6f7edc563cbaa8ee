//! Who reads which partition of a group: a pure function of the members and of who has what now.

use std::sync::Arc;

use crate::TopicPartition;

/// Shares out `partitions` among members, each given by the topics that it reads and in an order that
/// does not depend on when it joined. `now` says who has each partition.
///
/// Balanced: of two members that read the same topics, neither has two more than the other. Sticky:
/// no more partitions move than that needs.
pub(super) fn assign(
    members: &[&[Arc<str>]],
    partitions: &[TopicPartition],
    now: &[Option<usize>],
) -> Vec<Option<usize>> {
    let reads =
        |member: usize, partition: usize| members[member].contains(&partitions[partition].topic);
    let mut assigned: Vec<Option<usize>> = (0..partitions.len())
        .map(|partition| now[partition].filter(|member| reads(*member, partition)))
        .collect();
    let mut loads = vec![0_usize; members.len()];
    for member in assigned.iter().flatten() {
        loads[*member] += 1;
    }
    for (partition, slot) in assigned.iter_mut().enumerate() {
        if slot.is_none() {
            let readers = (0..members.len()).filter(|member| reads(*member, partition));
            *slot = readers.min_by_key(|member| loads[*member]);
            if let Some(member) = *slot {
                loads[member] += 1;
            }
        }
    }
    // The most loaded gives to the least loaded. Each move brings two loads nearer to each other, so
    // this ends.
    while let Some(Move {
        partition,
        from,
        to,
    }) = next_move(&assigned, &loads, reads)
    {
        assigned[partition] = Some(to);
        loads[from] -= 1;
        loads[to] += 1;
    }
    assigned
}

struct Move {
    partition: usize,
    from: usize,
    to: usize,
}

/// The move of a partition from the most loaded member that has two more than another which could
/// read it; of several such partitions the last.
fn next_move(
    assigned: &[Option<usize>],
    loads: &[usize],
    reads: impl Fn(usize, usize) -> bool,
) -> Option<Move> {
    let moves = assigned
        .iter()
        .enumerate()
        .filter_map(|(partition, holder)| {
            let from = (*holder)?;
            let others = (0..loads.len()).filter(|other| reads(*other, partition));
            let to = others.min_by_key(|other| loads[*other])?;
            (loads[to] + 2 <= loads[from]).then_some(Move {
                partition,
                from,
                to,
            })
        });
    moves.max_by_key(|it| loads[it.from])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::assign;
    use crate::TopicPartition;

    fn partitions(count: u32) -> Vec<TopicPartition> {
        (0..count)
            .map(|partition| TopicPartition::new("t", partition))
            .collect()
    }

    proptest! {
        #[test]
        fn is_balanced_sticky_and_stable(count in 0..20_u32, members in 1..6_usize, now in vec(0..7_usize, 20)) {
            let topics: [Arc<str>; 1] = ["t".into()];
            let members = vec![&topics[..]; members];
            let partitions = partitions(count);
            let now: Vec<_> = now[..count as usize].iter().map(|member| (*member < members.len()).then_some(*member)).collect();
            let assigned = assign(&members, &partitions, &now);

            let load = |member: usize| assigned.iter().filter(|it| **it == Some(member)).count();
            let loads: Vec<_> = (0..members.len()).map(load).collect();
            prop_assert_eq!(loads.iter().sum::<usize>(), count as usize);
            prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1);
            prop_assert_eq!(assign(&members, &partitions, &assigned), assigned.clone());

            // Who has no more than the fair share loses nothing.
            for member in 0..members.len() {
                let had: Vec<_> = (0..now.len()).filter(|it| now[*it] == Some(member)).collect();
                let lost = had.iter().filter(|it| assigned[**it] != Some(member)).count();
                prop_assert!(lost <= had.len().saturating_sub(count as usize / members.len()));
            }
        }
    }

    #[test]
    fn only_readers_of_a_topic_get_it() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let first = [Arc::clone(&a)];
        let second = [a, b];
        let partitions = [
            TopicPartition::new("a", 0),
            TopicPartition::new("a", 1),
            TopicPartition::new("b", 0),
            TopicPartition::new("b", 1),
            TopicPartition::new("c", 0),
        ];
        let assigned = assign(&[&first, &second], &partitions, &[None; 5]);
        assert_eq!(assigned, [Some(0), Some(0), Some(1), Some(1), None]);
    }
}
