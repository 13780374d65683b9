-- Brings what is there into the new form, workspace by workspace: row-level security binds the owner too.
DO $$
DECLARE
    w record;
    b bigint;
    n integer;
BEGIN
    FOR w IN SELECT id FROM workspaces LOOP
        PERFORM set_config('kapelle.workspace', w.id::text, true);
        -- Every customer is founded by an identifier whose id is its own: its strongest one.
        INSERT INTO identifiers (id, workspace_id, kind, value, customer_id, source, first_seen_at, batch_id, is_origin,
                                 is_moved)
        SELECT c.id, w.id, 'kapelle_id', c.id::text, c.id, 'upgrade', c.created_at, 0, true, false FROM customers c
        WHERE NOT EXISTS (SELECT FROM identifiers i WHERE i.workspace_id = w.id AND i.customer_id = c.id);
        UPDATE identifiers i SET id = f.customer_id FROM (
            SELECT DISTINCT ON (customer_id) id, customer_id FROM identifiers
            ORDER BY customer_id, array_position(ARRAY['user_id', 'loyalty_card', 'card_hash', 'email', 'phone',
                'order_number', 'device_id', 'anonymous_id'], kind::text) NULLS LAST, first_seen_at, id
        ) f WHERE i.id = f.id AND f.id <> f.customer_id;
        -- What hung on one customer belonged together, and so did what was merged. Nobody said how: no limit applies.
        INSERT INTO identity_links (id, workspace_id, strong_id, weak_id, kind, at, message_id, source)
        SELECT gen_random_uuid(), w.id, i.customer_id, i.id, 1, i.first_seen_at, 'upgrade', i.source
        FROM identifiers i WHERE i.id <> i.customer_id;
        INSERT INTO identity_links (id, workspace_id, strong_id, weak_id, kind, at, message_id, source)
        SELECT DISTINCT ON (winner_id, loser_id) gen_random_uuid(), w.id, winner_id, loser_id, 1, merged_at, 'upgrade',
               'upgrade'
        FROM merge_journal WHERE undone_at IS NULL ORDER BY winner_id, loser_id, merged_at
        ON CONFLICT DO NOTHING;
        UPDATE identifiers i SET is_origin = true, facet = (
            SELECT jsonb_object_agg(p.key, jsonb_build_array(coalesce(CASE WHEN p.key LIKE 'attributes.%'
                THEN c.attributes -> substr(p.key, 12) ELSE to_jsonb(c) -> p.key END, 'null'), p.value -> 0,
                p.value -> 1))
            FROM jsonb_each(c.provenance) p)
        FROM customers c WHERE c.id = i.id;
        INSERT INTO batches (workspace_id, source, tables, opened_at) VALUES (w.id, 'upgrade', '{}', now())
        RETURNING id INTO b;
        UPDATE identifiers i SET customer_id = c.merged_into FROM customers c
        WHERE c.id = i.customer_id AND c.merged_into IS NOT NULL;
        UPDATE identifiers SET is_origin = true, is_moved = true, batch_id = b WHERE id <> customer_id;
        SELECT count(*) INTO n FROM identifiers WHERE batch_id = b;
        UPDATE batches SET tables = jsonb_build_object('origins', n) WHERE id = b AND n > 0;
        UPDATE customers c SET linked_until = l.at FROM (
            SELECT i.customer_id, max(l.at) AS at FROM identity_links l
            JOIN identifiers i ON i.workspace_id = w.id AND i.id IN (l.strong_id, l.weak_id) GROUP BY 1
        ) l WHERE c.id = l.customer_id;
    END LOOP;
    PERFORM set_config('kapelle.workspace', '', true);
END $$;
