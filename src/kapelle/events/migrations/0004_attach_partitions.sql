-- Partitions are made apart and then attached: that takes a lock on the parent which running inserts do not mind,
-- where CREATE TABLE ... PARTITION OF would wait for every one of them and hold up all that come after.
CREATE OR REPLACE FUNCTION ensure_events_partition(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    first date := date_trunc('month', month)::date;
    name text := 'events_' || to_char(first, 'YYYYMM');
BEGIN
    IF to_regclass('public.' || name) IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('kapelle.partitions', 7));
    IF to_regclass('public.' || name) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.events INCLUDING DEFAULTS)', name);
    EXECUTE format('REVOKE ALL ON public.%I FROM kapelle_app', name);
    EXECUTE format('ALTER TABLE public.events ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                   name, first::timestamp AT TIME ZONE 'UTC', (first + interval '1 month') AT TIME ZONE 'UTC');
END $$;

CREATE OR REPLACE FUNCTION ensure_seen_messages_partition(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    first date := date_trunc('week', day)::date;
    name text := 'seen_messages_' || to_char(first, 'YYYYMMDD');
BEGIN
    IF to_regclass('public.' || name) IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('kapelle.partitions', 7));
    IF to_regclass('public.' || name) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.seen_messages INCLUDING DEFAULTS)', name);
    EXECUTE format('REVOKE ALL ON public.%I FROM kapelle_app', name);
    EXECUTE format('ALTER TABLE public.seen_messages ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                   name, first, first + 7);
END $$;
