-- Who changed what: a chain of rows that only grows (safelight.audit).

create table audit (
    number      bigint not null primary key,          -- from 1, without gaps
    at_ms       bigint not null,
    actor       text not null,                        -- operator:<login>, a key's id, or server
    action      text not null,
    object      text not null,                        -- whose id, or which thing
    details     text not null,                        -- JSON: before and after
    request_id  text,
    address     text,
    -- Forbids two rows that both follow the same one: the chain cannot fork.
    previous    text not null unique,
    hash        text not null unique                  -- keyed, over every other column
);
create index audit_of_object on audit (action, object, number);
