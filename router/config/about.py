"""About: one line for every key of the file and every field of an event, as an editor shows them.

A test holds it complete. Must not know types: those describe themselves.
"""

# By the name of the struct whose key it is; a struct's own line comes before that of what it inherits from.
KEYS: dict[str, dict[str, str]] = {
    "ServerSettings": {
        "listen": "where providers post; default 127.0.0.1:8080",
        "admin": "health, metrics and API; default 127.0.0.1:8081",
        "admin_token": "asked for by /metrics and /api; needed unless admin is local",
        "grace": "how long a shutdown waits for running attempts; default 30s",
        "body_timeout": "how long a body may take to arrive; default 10s",
        "in_flight": "memory for bodies being read or recorded; default 64MiB",
        "trusted_proxies": "whose X-Forwarded-For counts",
    },
    "JournalSettings": {
        "url": "where events and deliveries are kept; default sqlite:var/journal.db",
        "keep": "how long, from an event's last settlement; default 30d",
        "listen_url": "the same PostgreSQL without a pooler between, for hints of what is due",
        "may_lose_acknowledged_events": "true: accept a PostgreSQL that does not sync what it commits",
    },
    "Source": {
        "secret": "what the provider signs with; several while rotating",
        "unsigned": "true: the provider does not sign, and that is accepted",
        "token": "a secret in the hook's URL, or the password of HTTP Basic",
        "allow_from": "the only addresses that may post",
        "dedupe": "the same body within this time is a duplicate; 0s: never; default 5m, percy: for good",
        "max_body": "the largest body; default 1MiB, happo: 8MiB",
        "rate": "verified requests; over it the answer is 429",
        "defaults": "for what the provider left out",
        "labels": "for rules (labels.<name>) and templates; the query of the hook's URL adds more",
        "quarantine": "bodies of refused requests kept for reverify; 0B: none; default 32MiB",
    },
    "Defaults": {
        "branch": "the branch of events that name none",
        "project": "the project of events that name none",
        "author": "the author of events that name none",
    },
    "Sink": {
        "concurrency": "attempts at the same time; default 16, slack: 1",
        "rate": "how many may be sent; default no limit, slack: 1/s",
        "timeout": "for a whole attempt; default 15s",
        "retry": "when a failed attempt is repeated",
        "max_age": "what is older, counted from receipt or requeue, is not sent any more",
        "template": "the text; a rule's message comes before it",
        "allow_networks": "private networks that the host name may lead to",
        "ca": "a PEM file with further authorities for TLS",
    },
    "RetryPolicy": {"schedule": "the waits between attempts; n waits are n + 1 attempts"},
    "Slack": {
        "url": "the incoming webhook, as a reference: the URL is a secret",
        "supersede": "drop what had to wait once a newer event of the build was sent; default true",
    },
    "Webhook": {
        "url": "where to send; a reference if it holds a credential",
        "secret": "signs by Standard Webhooks (whsec_…); several while rotating",
        "headers": "sent with every request; a credential is a reference",
        "method": "default POST",
        "body": "a JSON of your own instead of the event's",
    },
    "File": {"path": "the file that lines are appended to, relative to the working directory"},
    "Log": {"format": "text (default), or json: what a webhook sends"},
    "Rule": {
        "name": "unique; it stands in explanations and logs",
        "when": "all fields of a map hold, or all of any map in a list; absent: always",
        "unless": "like when; the rule does not match if it holds",
        "to": "the sinks that get the event",
        "final": "true: no rule below is looked at after this one matched",
        "message": "the text of what is sent; comes before a sink's template",
    },
}

FIELDS = {
    "provider": "the type of the source",
    "source": "the name of the source",
    "event": "the provider's name of the event",
    "kind": "what it is about",
    "status": "the outcome, in one vocabulary for all providers",
    "provider_status": "the outcome in the provider's own word",
    "branch": "the branch; * ends at a slash, ** does not",
    "commit": "the commit",
    "project": "the project",
    "build": "the build's number or hash",
    "changes": "how many things differ",
    "author": "who made the change",
    "title": "the title of the pull request or the report",
    "url": "where a person looks",
    "pull_request": "the number of the pull request",
}
