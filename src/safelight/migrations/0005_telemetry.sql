-- What telemetry needs: whose trace a job belongs to, and a row to try whether rows can be written.

alter table jobs add column traceparent text;     -- W3C Trace Context of the request that made it

create table probes (
    id             integer primary key check (id = 1),
    written_at_ms  bigint not null
);
