-- The house: accounts and their keys, jobs and their pictures, the ledger, idempotency, the outbox.
-- Money is integer microcredits (1 credit = 1 000 000); times are milliseconds since 1970.

create table accounts (
    id                     text primary key,
    name                   text not null unique,
    created_at_ms          bigint not null,
    granted_microcredits   bigint not null default 0 check (granted_microcredits >= 0),
    -- A balance below zero would be credit that nobody gave.
    available_microcredits bigint not null default 0 check (available_microcredits >= 0),
    held_microcredits      bigint not null default 0 check (held_microcredits >= 0),
    spent_microcredits     bigint not null default 0 check (spent_microcredits >= 0),
    active_jobs            integer not null default 0 check (active_jobs >= 0),      -- queued or running
    backlogged_jobs        integer not null default 0 check (backlogged_jobs >= 0),
    -- Null: the default of the settings.
    concurrency_max        integer check (concurrency_max > 0),
    backlog_max            integer check (backlog_max >= 0),
    requests_per_minute    integer check (requests_per_minute > 0),
    -- Forbids every bug that makes or loses credits: what was granted is somewhere.
    check (granted_microcredits = available_microcredits + held_microcredits + spent_microcredits)
);

create table keys (
    id                      text primary key,
    account_id              text not null references accounts,
    name                    text not null,
    digest                  text not null unique,     -- HMAC-SHA-256 with the install's secret, in hex
    hint                    text not null,            -- first and last characters, to recognise it by
    models                  text,                     -- JSON list of catalog ids; null: every model
    created_at_ms           bigint not null,
    expires_at_ms           bigint,
    revoked_at_ms           bigint,
    requests_per_minute     integer check (requests_per_minute > 0),
    credit_limit            bigint check (credit_limit >= 0),   -- microcredits in all; null: the account's balance
    daily_limit             bigint check (daily_limit >= 0),    -- microcredits a day (UTC)
    held_microcredits       bigint not null default 0 check (held_microcredits >= 0),
    spent_microcredits      bigint not null default 0 check (spent_microcredits >= 0),
    day                     bigint not null default 0,          -- days since 1970 that `day_microcredits` counts
    day_microcredits        bigint not null default 0 check (day_microcredits >= 0),
    -- Forbid overspending a key by requests that race each other.
    check (credit_limit is null or held_microcredits + spent_microcredits <= credit_limit),
    check (daily_limit is null or day_microcredits <= daily_limit)
);
create index keys_of_account on keys (account_id);

create table jobs (
    seq                 identity_key,                 -- submission order: the queue is first in, first out
    id                  text not null unique,
    account_id          text not null references accounts,
    key_id              text not null references keys,
    dialect             text not null,
    model               text not null,
    request             text not null,                -- catalog.ImageRequest as JSON
    price_microcredits  bigint not null check (price_microcredits >= 0),
    state               text not null check (state in
                        ('backlogged', 'queued', 'running', 'completed', 'failed', 'cancelled')),
    version             integer not null default 1,
    attempt             integer not null default 0,   -- with `worker`, the fence: a lost lease cannot settle
    worker              text,
    lease_until_ms      bigint,
    step                integer not null default 0,
    steps               integer not null default 0,
    progress            integer not null default 0 check (progress between 0 and 100),
    has_preview         integer not null default 0 check (has_preview in (0, 1)),
    engine              text,
    stand_in            text,                         -- the embedded model's own name while it stands in
    error_code          text,
    error_message       text,
    webhook_url         text,
    picture_count       integer not null default 0,
    created_at_ms       bigint not null,
    started_at_ms       bigint,
    finished_at_ms      bigint,
    -- Forbids a running job that nobody would ever take over.
    check ((state = 'running') = (lease_until_ms is not null)),
    check ((state in ('completed', 'failed', 'cancelled')) = (finished_at_ms is not null)),
    check ((state in ('failed', 'cancelled')) = (error_code is not null))
);
create index jobs_queue on jobs (seq) where state = 'queued';
create index jobs_backlog on jobs (account_id, seq) where state = 'backlogged';
create index jobs_leases on jobs (lease_until_ms) where state = 'running';
create index jobs_of_account on jobs (account_id, dialect, created_at_ms, seq);
create index jobs_finished on jobs (finished_at_ms) where finished_at_ms is not null;

create table pictures (
    name            text primary key,                 -- the file's name; it holds the attempt
    job_id          text not null references jobs (id) on delete cascade,
    kind            text not null check (kind in ('final', 'preview')),
    position        integer not null,
    width           integer not null,
    height          integer not null,
    content_type    text not null,
    size_bytes      bigint not null,
    sha256          text not null,
    seed            bigint not null,
    created_at_ms   bigint not null,
    expires_at_ms   bigint not null,
    removed_at_ms   bigint,                           -- the file is gone; the row still says what the job made
    -- Forbids two attempts both delivering picture i.
    unique (job_id, kind, position)
);
create index pictures_expiry on pictures (expires_at_ms) where removed_at_ms is null;

-- Double entry: every row moves an amount from one book to another. Append only (see the triggers).
create table ledger (
    seq                 identity_key,
    account_id          text not null references accounts,
    key_id              text references keys,
    job_id              text,
    kind                text not null check (kind in ('grant', 'withdraw', 'hold', 'capture', 'release')),
    from_book           text not null check (from_book in ('issued', 'available', 'held')),
    to_book             text not null check (to_book in ('issued', 'available', 'held', 'spent')),
    amount_microcredits bigint not null check (amount_microcredits >= 0),
    note                text,
    created_at_ms       bigint not null,
    check (kind <> 'grant'    or (from_book = 'issued'    and to_book = 'available')),
    check (kind <> 'withdraw' or (from_book = 'available' and to_book = 'issued')),
    check (kind <> 'hold'     or (from_book = 'available' and to_book = 'held')),
    check (kind <> 'capture'  or (from_book = 'held'      and to_book = 'spent')),
    check (kind <> 'release'  or (from_book = 'held'      and to_book = 'available')),
    check ((kind in ('hold', 'capture', 'release')) = (job_id is not null))
);
create index ledger_of_account on ledger (account_id, seq);
-- Forbids charging for the same job twice …
create unique index ledger_one_hold on ledger (job_id) where kind = 'hold';
-- … and both charging for it and giving the credits back.
create unique index ledger_one_resolution on ledger (job_id) where kind in ('capture', 'release');

create table idempotency (
    account_id     text not null references accounts,
    dialect        text not null,
    key            text not null,
    fingerprint    text not null,                     -- of the request that the key is bound to
    job_id         text not null,
    created_at_ms  bigint not null,
    primary key (account_id, dialect, key)
);
create index idempotency_age on idempotency (created_at_ms);

create table rates (
    subject text primary key,                         -- "key:<id>" or "account:<id>"
    tat_us  bigint not null                           -- GCRA: when the bucket would be empty, in microseconds
);

create table outbox (
    id              text primary key,                 -- the webhook-id that receivers see
    job_id          text not null unique,             -- one outcome, one message
    account_id      text not null references accounts,
    url             text not null,
    state           text not null check (state in ('pending', 'delivered', 'failed')),
    attempt         integer not null default 0,
    due_at_ms       bigint not null,
    lease_until_ms  bigint,
    answer_status   integer,
    answer_note     text,
    created_at_ms   bigint not null,
    finished_at_ms  bigint
);
create index outbox_due on outbox (due_at_ms) where state = 'pending';

create table workers (
    id             text primary key,
    host           text not null,
    pid            integer not null,
    engines        text not null,                     -- names, separated by spaces
    ready          integer not null default 0 check (ready in (0, 1)),
    started_at_ms  bigint not null,
    seen_at_ms     bigint not null
);
