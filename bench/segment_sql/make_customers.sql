INSERT INTO customers (workspace_id, id, merged_into, is_identified, created_at, city, email, attributes, batch_id)
WITH (n) -> leftPad(hex(toUInt32(n)), 8, '0') AS head, (n) -> leftPad(hex(cityHash64(n)), 16, '0') AS tail,
    (n) -> toUUID(concat('0192', substring(head(n), 1, 4), '-', substring(head(n), 5, 4), '-7', substring(tail(n), 1, 3),
        '-8', substring(tail(n), 4, 3), '-', substring(tail(n), 5, 12))) AS make_id
SELECT toUUID('{workspace}'), make_id(number), if(number % 20 = 19, make_id(number - 1), NULL), 1,
    toDateTime64('2025-01-01 00:00:00', 6, 'UTC') + number,
    ['Prague', 'Moscow', 'Berlin', 'Paris', 'Oslo'][1 + cityHash64(number) % 5], concat('c', toString(number), '@example.test'),
    concat('{{"favorite_size": "', ['S', 'M', 'L'][1 + number % 3], '", "age": ', toString(18 + cityHash64(number, 'a') % 60), '}}'),
    1
FROM numbers({origins}) WHERE number % 4 != 3 OR number % 20 = 19
