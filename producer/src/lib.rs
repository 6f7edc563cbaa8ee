//! Zoom in: the webhook ingress and the clock.
