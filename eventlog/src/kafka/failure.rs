//! Errors of librdkafka as errors of the port.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::{LogError, TopicPartition};

use super::config::MAX_RECORD_BYTES;

/// An error of librdkafka, with what it means for the caller.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    code: Option<Code>,
    reason: String,
    kind: Kind,
}

/// What can be done about a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The same call may succeed.
    Retriable,
    /// The transaction must be aborted; the producer goes on.
    Abortable,
    /// Another has taken this one's place, in the group or as producer.
    Fenced,
    /// This client is of no more use.
    Fatal,
    /// The call is refused.
    Refused,
}

impl Failure {
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn code(&self) -> Option<Code> {
        self.code
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// As an error of the log, met while doing `action`.
    pub(super) fn during(&self, action: impl Into<String>) -> LogError {
        LogError::Kafka {
            action: action.into(),
            reason: self.reason.clone(),
            retriable: self.kind == Kind::Retriable,
        }
    }

    /// Nothing where it ends by itself, since librdkafka goes on trying; else an error of the log.
    pub(super) fn unless_passing(&self, action: impl Into<String>) -> Result<(), LogError> {
        if self.kind == Kind::Retriable {
            Ok(())
        } else {
            Err(self.during(action))
        }
    }

    /// As an error of the log, met with one partition.
    pub(super) fn of(&self, partition: &TopicPartition, action: &str) -> LogError {
        match self.code {
            Some(Code::UnknownPartition | Code::UnknownTopic | Code::UnknownTopicOrPartition) => {
                LogError::UnknownPartition {
                    partition: partition.clone(),
                }
            }
            _ => self.during(format!("{partition}, {action}")),
        }
    }

    /// As an error of the log, met when a record of `bytes` bytes was given to the producer.
    pub(super) fn of_record(&self, partition: &TopicPartition, bytes: usize) -> LogError {
        match self.code {
            Some(Code::QueueFull) => LogError::Busy {
                reason: "the queue of records to send is full".to_owned(),
            },
            Some(Code::MessageSizeTooLarge) => LogError::TooLarge {
                partition: partition.clone(),
                bytes,
                limit: MAX_RECORD_BYTES,
            },
            _ => self.of(partition, "appending a record"),
        }
    }
}

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Self {
        let code = error.rdkafka_error_code();
        let reason = error.to_string();
        let kind = match (&error, code) {
            (_, Some(code)) if is_fencing(code) => Kind::Fenced,
            (KafkaError::Transaction(error), _) if error.is_fatal() => Kind::Fatal,
            (KafkaError::Transaction(error), _) if error.txn_requires_abort() => Kind::Abortable,
            (KafkaError::Transaction(error), _) if error.is_retriable() => Kind::Retriable,
            (KafkaError::MessageConsumptionFatal(_), _) | (_, Some(Code::Fatal)) => Kind::Fatal,
            (KafkaError::Flush(_), _) => Kind::Retriable,
            (_, Some(code)) if is_passing(code) => Kind::Retriable,
            _ => Kind::Refused,
        };
        Self { code, reason, kind }
    }
}

/// Someone else has this producer's transactional id, or this member's place in the group.
fn is_fencing(code: Code) -> bool {
    matches!(
        code,
        Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::FencedInstanceId
            | Code::UnknownMemberId
    )
}

/// What ends by itself once a broker, a leader or a coordinator is there again.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::BrokerNotAvailable
            | Code::BrokerDestroy
            | Code::ConcurrentTransactions
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::LeaderNotAvailable
            | Code::MessageTimedOut
            | Code::NetworkException
            | Code::NotCoordinator
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NotLeaderForPartition
            | Code::OperationTimedOut
            | Code::QueueFull
            | Code::RebalanceInProgress
            | Code::RequestTimedOut
            | Code::Resolve
            | Code::TimedOutQueue
            | Code::UnstableOffsetCommit
            | Code::WaitingForCoordinator
    )
}

#[cfg(test)]
mod tests {
    use rdkafka::error::KafkaError;
    use rdkafka::types::RDKafkaErrorCode as Code;

    use super::{Failure, Kind};
    use crate::{LogError, TopicPartition};

    #[test]
    fn a_failure_says_what_can_be_done() {
        let kind = |code| Failure::from(KafkaError::Global(code)).kind();
        assert_eq!(kind(Code::AllBrokersDown), Kind::Retriable);
        assert_eq!(kind(Code::ProducerFenced), Kind::Fenced);
        assert_eq!(kind(Code::UnknownMemberId), Kind::Fenced);
        assert_eq!(kind(Code::Fatal), Kind::Fatal);
        assert_eq!(kind(Code::TopicAuthorizationFailed), Kind::Refused);
    }

    #[test]
    fn a_full_queue_and_a_record_too_large_have_errors_of_their_own() {
        let partition = TopicPartition::new("t", 1);
        let error =
            |code| Failure::from(KafkaError::MessageProduction(code)).of_record(&partition, 7);
        assert!(matches!(error(Code::QueueFull), LogError::Busy { .. }));
        assert!(matches!(
            error(Code::MessageSizeTooLarge),
            LogError::TooLarge { bytes: 7, .. }
        ));
        assert!(matches!(
            error(Code::UnknownPartition),
            LogError::UnknownPartition { .. }
        ));
        assert!(error(Code::MessageTimedOut).is_retriable());
    }
}
