//! Whether the account is as the configuration says: the key, the attributes with their types, the
//! lists.

use std::collections::BTreeMap;
use std::fmt;

use crate::client::{Client, Failure};
use crate::error_class::Class;
use crate::mapping::Mapping;
use crate::mapping::attribute::AttributeType;
use crate::options::Lists;

/// A way in which the account is not as the configuration says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Difference {
    /// A mapped attribute that Brevo does not have.
    MissingAttribute {
        /// The attribute.
        attribute: String,
        /// The field that goes there.
        field: String,
        /// The type that suits it.
        kind: AttributeType,
    },
    /// An attribute whose type can hold no value of its field: Brevo would drop every one silently.
    WrongType {
        /// The attribute.
        attribute: String,
        /// The field that goes there.
        field: String,
        /// Its type.
        found: AttributeType,
        /// The type that suits it.
        wanted: AttributeType,
    },
    /// A list that Brevo does not have.
    MissingList {
        /// The setting.
        setting: &'static str,
        /// The id.
        id: i64,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingAttribute {
                attribute,
                field,
                kind,
            } => write!(
                f,
                "attribute {attribute} (for {field}) does not exist: create it with type {}, or set brevo.create_attributes: true",
                kind.name()
            ),
            Self::WrongType {
                attribute,
                field,
                found,
                wanted,
            } => write!(
                f,
                "attribute {attribute} is {}, which cannot hold {field}: map {field} to another attribute, of type {} or text",
                found.name(),
                wanted.name()
            ),
            Self::MissingList { setting, id } => write!(
                f,
                "list {id} (connectors.zoom.lists.{setting}) does not exist: create it, or set the id of one that does"
            ),
        }
    }
}

/// An account that cannot be used as it is.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CheckError {
    /// The account is not as the configuration says.
    #[error("Brevo's account is not as the configuration says:{}", differences.iter().map(|difference| format!("\n  {difference}")).collect::<String>())]
    Differences {
        /// In what.
        differences: Vec<Difference>,
    },
    /// Brevo refuses.
    #[error("{reason}")]
    Refused {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Brevo does not answer, or not now.
    #[error("Brevo cannot be asked now ({reason}); it is asked again by itself")]
    Unreachable {
        /// Why.
        reason: String,
    },
}

impl CheckError {
    /// Whether an attribute is missing or of a wrong type: then there is nothing to start with.
    #[must_use]
    pub fn concerns_attributes(&self) -> bool {
        let Self::Differences { differences } = self else {
            return false;
        };
        differences
            .iter()
            .any(|difference| !matches!(difference, Difference::MissingList { .. }))
    }
}

impl From<Failure> for CheckError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(reason) | Failure::NoAnswer(reason) => Self::Unreachable { reason },
            Failure::Refused { class, status } => match class {
                Class::Configuration { reason } => Self::Refused { reason },
                Class::DeadLetter { reason, .. } => Self::Refused {
                    reason: format!("Brevo refuses a request that is always the same ({reason})"),
                },
                Class::Retry { reason } | Class::Unclear { reason } => Self::Unreachable { reason },
                Class::Slow => Self::Unreachable {
                    reason: "429, too many requests".to_owned(),
                },
                Class::Heal(_) | Class::Ok => Self::Unreachable {
                    reason: format!("{status}"),
                },
            },
        }
    }
}

/// In what an account is not as the configuration says.
#[must_use]
pub fn differences(
    mapping: &Mapping,
    lists: &Lists,
    attributes: &BTreeMap<String, AttributeType>,
    list_ids: &[i64],
) -> Vec<Difference> {
    let attribute_differences = mapping.fields().iter().filter_map(|mapped| {
        let (attribute, field) = (mapped.attribute().to_owned(), mapped.field().to_owned());
        let wanted = AttributeType::natural(mapped.kind());
        match attributes.get(mapped.attribute()) {
            None => Some(Difference::MissingAttribute {
                attribute,
                field,
                kind: wanted,
            }),
            Some(found) if !found.can_hold(mapped.kind()) => Some(Difference::WrongType {
                attribute,
                field,
                found: *found,
                wanted,
            }),
            Some(_) => None,
        }
    });
    let list_differences = lists
        .wanted()
        .into_iter()
        .filter(|(_, id)| !list_ids.contains(id));
    attribute_differences
        .chain(list_differences.map(|(setting, id)| Difference::MissingList { setting, id }))
        .collect()
}

/// Asks Brevo for account, attributes and lists, creates missing attributes where that is allowed,
/// and gives the types of the attributes.
///
/// # Errors
///
/// Where the account cannot be used as it is.
pub async fn check(
    client: &Client,
    mapping: &Mapping,
    lists: &Lists,
    create_attributes: bool,
) -> Result<BTreeMap<String, AttributeType>, CheckError> {
    client.account().await?;
    let mut attributes = client.attributes().await?;
    let list_ids: Vec<i64> = if lists.wanted().is_empty() {
        Vec::new()
    } else {
        client
            .lists()
            .await?
            .into_iter()
            .map(|list| list.id)
            .collect()
    };
    let mut found = differences(mapping, lists, &attributes, &list_ids);
    if create_attributes {
        let mut created = false;
        for difference in &found {
            if let Difference::MissingAttribute {
                attribute,
                kind,
                field,
            } = difference
            {
                client.create_attribute(attribute, *kind).await?;
                tracing::info!(
                    attribute,
                    field,
                    kind = kind.name(),
                    "created an attribute in Brevo"
                );
                created = true;
            }
        }
        if created {
            attributes = client.attributes().await?;
            found = differences(mapping, lists, &attributes, &list_ids);
        }
    }
    if found.is_empty() {
        Ok(attributes)
    } else {
        Err(CheckError::Differences { differences: found })
    }
}

#[cfg(test)]
mod tests {
    use super::{CheckError, differences};
    use crate::mapping::Mapping;
    use crate::mapping::attribute::AttributeType;
    use crate::options::{FieldMapping, Lists, UpdatePolicy};

    #[test]
    fn a_difference_says_what_is_missing_and_what_to_do() {
        let configured = [
            ("name", "FIRSTNAME"),
            ("join_time", "MEETING_JOIN_DATE"),
            ("duration", "MEETING_DURATION"),
            ("score", "SCORE"),
        ]
        .map(|(field, attribute)| FieldMapping {
            field: field.into(),
            attribute: attribute.into(),
            update: UpdatePolicy::Always,
        });
        let mapping = Mapping::new(&configured).unwrap();
        let lists = Lists {
            webinar_attendees: Some(16),
            meeting_participants: Some(15),
            webinar_registrants: None,
        };
        let attributes = [
            ("FIRSTNAME".to_owned(), AttributeType::Text),
            ("MEETING_DURATION".to_owned(), AttributeType::Date),
            ("SCORE".to_owned(), AttributeType::Text),
        ]
        .into();
        let error = CheckError::Differences {
            differences: differences(&mapping, &lists, &attributes, &[15]),
        };
        assert!(error.concerns_attributes());
        insta::assert_snapshot!(error, @"
        Brevo's account is not as the configuration says:
          attribute MEETING_JOIN_DATE (for join_time) does not exist: create it with type date, or set brevo.create_attributes: true
          attribute MEETING_DURATION is date, which cannot hold duration: map duration to another attribute, of type float or text
          list 16 (connectors.zoom.lists.webinar_attendees) does not exist: create it, or set the id of one that does
        ");
        let lists_only = differences(&Mapping::default(), &lists, &attributes, &[15]);
        assert!(
            !CheckError::Differences {
                differences: lists_only
            }
            .concerns_attributes()
        );
    }
}
