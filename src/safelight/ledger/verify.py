"""Proves the books from their rows alone, and the jobs against the books."""

from dataclasses import dataclass

from safelight.db import Transaction

# Each query returns what is wrong, as (subject, complaint); nothing returned is the proof.
CHECKS = {
    "every balance equals the sum of its entries": """
        with moves as (
            select account_id, from_book as book, -amount_microcredits as amount from ledger
            union all
            select account_id, to_book, amount_microcredits from ledger
        ), sums as (
            select account_id,
                   sum(case when book = 'issued' then -amount else 0 end) as granted,
                   sum(case when book = 'available' then amount else 0 end) as available,
                   sum(case when book = 'held' then amount else 0 end) as held,
                   sum(case when book = 'spent' then amount else 0 end) as spent
            from moves group by account_id
        )
        select a.id as subject, 'balance differs from its entries' as complaint
        from accounts a left join sums s on s.account_id = a.id
        where a.granted_microcredits <> coalesce(s.granted, 0)
           or a.available_microcredits <> coalesce(s.available, 0)
           or a.held_microcredits <> coalesce(s.held, 0)
           or a.spent_microcredits <> coalesce(s.spent, 0)
    """,
    "every key's use equals the sum of its entries": """
        with sums as (
            select key_id,
                   sum(case kind when 'hold' then amount_microcredits
                            when 'capture' then -amount_microcredits
                            when 'release' then -amount_microcredits else 0 end) as held,
                   sum(case kind when 'capture' then amount_microcredits else 0 end) as spent
            from ledger where key_id is not null group by key_id
        )
        select k.id as subject, 'use differs from its entries' as complaint
        from keys k left join sums s on s.key_id = k.id
        where k.held_microcredits <> coalesce(s.held, 0)
           or k.spent_microcredits <> coalesce(s.spent, 0)
    """,
    "every job was held exactly once, at its price": """
        select j.id as subject, 'has no hold of its price' as complaint
        from jobs j left join ledger h on h.job_id = j.id and h.kind = 'hold'
        where h.seq is null or h.amount_microcredits <> j.price_microcredits
           or h.account_id <> j.account_id or h.key_id <> j.key_id
    """,
    "every completed job was captured, every failed or cancelled one released": """
        select j.id as subject, j.state || ', but ' || coalesce(r.kind, 'not resolved') as complaint
        from jobs j left join ledger r on r.job_id = j.id and r.kind in ('capture', 'release')
        where (j.state = 'completed' and (r.kind is null or r.kind <> 'capture'))
           or (j.state in ('failed', 'cancelled') and (r.kind is null or r.kind <> 'release'))
           or (j.state in ('backlogged', 'queued', 'running') and r.kind is not null)
    """,
    "every resolution is of its hold's amount": """
        select r.job_id as subject, r.kind || ' of another amount than its hold' as complaint
        from ledger r left join ledger h on h.job_id = r.job_id and h.kind = 'hold'
        where r.kind in ('capture', 'release')
          and (h.seq is null or h.amount_microcredits <> r.amount_microcredits
               or h.account_id <> r.account_id)
    """,
    "every hold is resolved at most once": """
        select job_id as subject, 'resolved ' || count(*) || ' times' as complaint
        from ledger where kind in ('capture', 'release') group by job_id having count(*) > 1
    """,
    "every open hold belongs to a job": """
        select h.job_id as subject, 'held for a job that does not exist' as complaint
        from ledger h where h.kind = 'hold'
          and not exists (select 1 from jobs j where j.id = h.job_id)
          and not exists (select 1 from ledger r
                          where r.job_id = h.job_id and r.kind in ('capture', 'release'))
    """,
    "every account's places are those of its jobs": """
        select a.id as subject, 'job counters differ from its jobs' as complaint
        from accounts a left join (
            select account_id,
                   sum(case when state in ('queued', 'running') then 1 else 0 end) as active,
                   sum(case when state = 'backlogged' then 1 else 0 end) as backlogged
            from jobs where finished_at_ms is null group by account_id
        ) c on c.account_id = a.id
        where a.active_jobs <> coalesce(c.active, 0)
           or a.backlogged_jobs <> coalesce(c.backlogged, 0)
    """,
    "every completed job has the pictures it was paid for": """
        select j.id as subject, 'completed without its pictures' as complaint
        from jobs j where j.state = 'completed' and (j.picture_count = 0 or j.picture_count <>
            (select count(*) from pictures p where p.job_id = j.id and p.kind = 'final'))
    """,
}


@dataclass(frozen=True)
class Proof:
    """What was counted, and what is wrong; no problems is the proof."""

    accounts: int
    jobs: int
    entries: int
    granted_microcredits: int
    held_microcredits: int
    spent_microcredits: int
    problems: tuple[str, ...]


async def verify(tx: Transaction) -> Proof:
    """Run every check on one snapshot."""
    problems = []
    for check in CHECKS.values():
        problems += [f"{row['subject']}: {row['complaint']}" for row in await tx.fetch_all(check)]
    totals = await tx.fetch_one(
        "select (select count(*) from accounts) as accounts, (select count(*) from jobs) as jobs,"
        " (select count(*) from ledger) as entries,"
        " coalesce(sum(granted_microcredits), 0) as granted,"
        " coalesce(sum(held_microcredits), 0) as held,"
        " coalesce(sum(spent_microcredits), 0) as spent from accounts"
    )
    assert totals is not None
    return Proof(
        accounts=totals["accounts"],
        jobs=totals["jobs"],
        entries=totals["entries"],
        granted_microcredits=totals["granted"],
        held_microcredits=totals["held"],
        spent_microcredits=totals["spent"],
        problems=tuple(problems),
    )
