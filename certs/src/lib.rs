//! Serving certificates of the webhook.
