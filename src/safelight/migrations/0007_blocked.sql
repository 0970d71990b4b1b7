-- A picture is blocked for as long as anybody has it blocked: one row for each review that says so.

alter table blocked rename to blocked_once;
create table blocked (
    likeness        octets not null,                  -- PDQ, 256 bits
    review_id       text not null,
    created_at_ms   bigint not null,
    -- Forbids that a block which is taken back takes another review's along.
    primary key (likeness, review_id)
);
insert into blocked (likeness, review_id, created_at_ms)
    select likeness, review_id, created_at_ms from blocked_once;
drop table blocked_once;
