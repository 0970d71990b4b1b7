-- The registry of pictures that were made here. It outlives the pictures and their jobs, and says
-- nothing of accounts and prompts.

create table provenance (
    seq            identity_key,                      -- in the order of time: the oldest are forgotten first
    -- Forbids that one file stands for two pictures: each is signed apart.
    sha256         octets not null unique,            -- of the whole file, as it is served
    likeness       octets not null,                   -- PDQ, 256 bits
    quality        integer not null check (quality between 0 and 100),  -- of the likeness
    job_id         text not null,
    position       integer not null,                  -- of the picture among its job's
    model          text not null,                     -- the one that really made it
    asked_for      text not null,                     -- another one, where that stood in
    engine         text not null,
    created_at_ms  bigint not null
);
