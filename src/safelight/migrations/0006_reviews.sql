-- What people are to look at, and what they said. It holds no pictures, and a prompt only where the
-- operator has chosen so.

create table reviews (
    id              text primary key,
    job_id          text not null,
    account_id      text not null,
    kind            text not null check (kind in ('refused', 'near', 'reported')),
    layer           text not null,                    -- prompt, meaning, source or picture; of a report: picture
    category        text not null,                    -- one of moderation.Category; of a report: reported
    filter          text not null,                    -- whose verdict it was, or who reported
    score           real not null,
    prompt_sha256   text not null,                    -- of the words, in hex: the same ones are known again
    prompt          text,
    reason          text,                             -- of a report, in its sender's words
    created_at_ms   bigint not null,
    decision        text check (decision in ('release', 'block')),
    decided_at_ms   bigint,
    -- Forbids that one job fills the queue, by whoever reports it again and again.
    unique (job_id, kind),
    check ((decision is null) = (decided_at_ms is null))
);
create index reviews_by_time on reviews (created_at_ms);

-- What pictures look like that are refused from now on. Outlives the job and the review.
create table blocked (
    likeness        octets primary key,               -- PDQ, 256 bits
    review_id       text not null,
    created_at_ms   bigint not null
);
