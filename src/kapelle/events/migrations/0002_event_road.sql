-- Raw bodies as they came. No index: an insert costs a heap append and a commit, nothing else.
CREATE TABLE inbox (
    id bigint GENERATED ALWAYS AS IDENTITY,
    workspace_id uuid NOT NULL,
    receipt_id uuid NOT NULL,          -- given by the edge; names events that came without a messageId
    kind text NOT NULL,                -- batch, track, identify, page, screen, group, alias, or receipt:<what>
    source text NOT NULL,              -- key:<prefix> or receipt:<channel>
    received_at timestamptz NOT NULL,
    context jsonb NOT NULL,            -- what only the edge knows: ip, user agent, gpc
    body bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_vacuum_insert_threshold = -1);
REVOKE ALL ON inbox FROM kapelle_app;
GRANT INSERT ON inbox TO kapelle_edge;
-- The claim locks rows (UPDATE) and removes them (DELETE).
GRANT SELECT, UPDATE, DELETE ON inbox TO kapelle_projector;

CREATE TABLE events (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    origin_id uuid NOT NULL,           -- the profile it came for; never rewritten by merges
    batch_id bigint NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    message_id text NOT NULL,
    source text NOT NULL,
    properties jsonb NOT NULL,
    context jsonb NOT NULL
) PARTITION BY RANGE (occurred_at);
-- The timeline of one customer, and what a batch wrote. Two indexes, no more.
CREATE INDEX events_timeline ON events (workspace_id, origin_id, occurred_at DESC, id DESC);
CREATE INDEX events_batch ON events (batch_id);

CREATE TABLE seen_messages (
    workspace_id uuid NOT NULL,
    message_key uuid NOT NULL,         -- 128-bit hash of the message id
    week date NOT NULL,                -- Monday of the week it was received in
    PRIMARY KEY (workspace_id, message_key, week)
) PARTITION BY RANGE (week);

-- The app role owns nothing and cannot make partitions. These two run as the owner; the new partition is closed to
-- everyone, because a partition addressed by its own name would not ask the parent's row-level security.
CREATE FUNCTION ensure_events_partition(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    first date := date_trunc('month', month)::date;
    name text := 'events_' || to_char(first, 'YYYYMM');
BEGIN
    IF to_regclass('public.' || name) IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('kapelle.partitions', 7));
    IF to_regclass('public.' || name) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE public.%I PARTITION OF public.events FOR VALUES FROM (%L) TO (%L)',
                   name, first, (first + interval '1 month')::date);
    EXECUTE format('REVOKE ALL ON public.%I FROM kapelle_app', name);
END $$;

CREATE FUNCTION ensure_seen_messages_partition(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    first date := date_trunc('week', day)::date;
    name text := 'seen_messages_' || to_char(first, 'YYYYMMDD');
BEGIN
    IF to_regclass('public.' || name) IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('kapelle.partitions', 7));
    IF to_regclass('public.' || name) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE public.%I PARTITION OF public.seen_messages FOR VALUES FROM (%L) TO (%L)',
                   name, first, first + 7);
    EXECUTE format('REVOKE ALL ON public.%I FROM kapelle_app', name);
END $$;

-- Messages are remembered for 28 days; older weeks go as whole tables.
CREATE FUNCTION drop_seen_messages_before(day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    partition record;
    dropped integer := 0;
BEGIN
    IF day > current_date - 28 THEN RAISE EXCEPTION 'message ids are kept for 28 days'; END IF;
    FOR partition IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.seen_messages'::regclass
          AND to_date(right(c.relname, 8), 'YYYYMMDD') + 7 <= day
    LOOP
        EXECUTE format('DROP TABLE public.%I', partition.relname);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
REVOKE EXECUTE ON FUNCTION ensure_events_partition, ensure_seen_messages_partition, drop_seen_messages_before FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_events_partition, ensure_seen_messages_partition, drop_seen_messages_before TO kapelle_app;

CREATE SEQUENCE columnar_block;
GRANT USAGE ON SEQUENCE columnar_block TO kapelle_app;
GRANT SELECT (workspace_id, scope, prefix, secret_hash, revoked_at) ON api_keys TO kapelle_edge;
