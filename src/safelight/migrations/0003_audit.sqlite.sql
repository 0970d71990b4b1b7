-- The audit log is history: it grows at its end and never changes.
create trigger audit_no_update before update on audit
begin
    select raise(abort, 'the audit log is append only');
end;
create trigger audit_no_delete before delete on audit
begin
    select raise(abort, 'the audit log is append only');
end;
-- `insert or replace` would delete without asking the trigger above; and no row may miss its place.
create trigger audit_at_the_end before insert on audit
when new.number is not (select coalesce(max(number), 0) + 1 from audit)
    or new.previous is not coalesce((select hash from audit order by number desc limit 1), printf('%064d', 0))
begin
    select raise(abort, 'the audit log grows at its end only');
end;
