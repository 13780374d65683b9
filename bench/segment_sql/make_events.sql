INSERT INTO events (workspace_id, name, origin_id, occurred_at, received_at, id, kind, source, properties, batch_id)
WITH (n) -> leftPad(hex(toUInt32(n)), 8, '0') AS head, (n) -> leftPad(hex(cityHash64(n)), 16, '0') AS tail,
    (n) -> toUUID(concat('0192', substring(head(n), 1, 4), '-', substring(head(n), 5, 4), '-7', substring(tail(n), 1, 3),
        '-8', substring(tail(n), 4, 3), '-', substring(tail(n), 5, 12))) AS make_id
SELECT toUUID('{workspace}'),
    multiIf(kind < 50, 'Product Viewed', kind < 65, 'Page Viewed', kind < 80, 'Product Added', kind < 90, 'Email Opened',
        'Order Completed'),
    make_id(person), at, at, generateUUIDv4(), 'track', 'key:abc',
    concat('{{"price": ', toString((cityHash64(number, 'p') % 20000) / 100), ', "sku": "SKU-', toString(cityHash64(number, 's') % 5000),
        '", "category": "', ['shoes', 'shirts', 'hats', 'bags'][1 + cityHash64(number, 'c') % 4],
        '", "currency": "EUR", "quantity": ', toString(1 + number % 3), ', "url": "https://shop.example.test/p/',
        toString(cityHash64(number, 's') % 5000), '"}}'),
    intDiv(number, 1000)
FROM (
    SELECT number, cityHash64(number, 'kind') % 100 AS kind,
        toUInt64(pow((cityHash64(number, 'who') % 1000003) / 1000003., 2) * {origins}) AS person,
        toDateTime64('{now}', 6, 'UTC') - cityHash64(number, 'at') % 31536000 AS at
    FROM numbers({events})
)
SETTINGS max_partitions_per_insert_block = 0, max_insert_block_size = 1000000
