//! The Apache Kafka engine.
