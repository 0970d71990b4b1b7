-- Webhooks that are delivered: who sends a message now, what came of each attempt, what signs it.
--
-- A pending message is due at `due_at_ms`. Claiming it moves that past the lease's end, so that one
-- index finds both what waits and what a dead sender left behind.

alter table outbox add column dialect text not null default '';     -- whose words the body speaks
alter table outbox add column host text not null default '';        -- of the URL: limits in flight count it
alter table outbox add column sender text;                          -- with `claims`, the fence
alter table outbox add column claims integer not null default 0;    -- how often a sender took it

update outbox set dialect = coalesce((select j.dialect from jobs j where j.id = outbox.job_id), '');

create index outbox_receivers on outbox (account_id, host, due_at_ms) where state = 'pending';
create index outbox_in_flight on outbox (lease_until_ms) where lease_until_ms is not null;
create index outbox_of_account on outbox (account_id, dialect, created_at_ms, id);
create index outbox_of_state on outbox (state, created_at_ms) where state = 'failed';

create table webhook_attempts (
    message_id     text not null references outbox (id) on delete cascade,
    number         integer not null,                  -- from 1; a redelivery goes on counting
    started_at_ms  bigint not null,
    duration_ms    bigint not null,
    status         integer,                           -- of the HTTP answer; null: there was none
    reason         text,                              -- why it failed; null: it was delivered
    answer         text,                              -- how the answer's body begins
    primary key (message_id, number)
);

create table webhook_secrets (
    account_id     text not null references accounts,
    salt           text not null,                     -- the secret is made of it and the install's own
    created_at_ms  bigint not null,
    expires_at_ms  bigint,                            -- null: the one in force
    primary key (account_id, salt)
);
-- Forbids two rotations at once that each leave a secret in force.
create unique index webhook_secrets_in_force on webhook_secrets (account_id)
    where expires_at_ms is null;
