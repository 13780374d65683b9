INSERT INTO origins (workspace_id, id, customer_id, batch_id)
WITH (n) -> leftPad(hex(toUInt32(n)), 8, '0') AS head, (n) -> leftPad(hex(cityHash64(n)), 16, '0') AS tail,
    (n) -> toUUID(concat('0192', substring(head(n), 1, 4), '-', substring(head(n), 5, 4), '-7', substring(tail(n), 1, 3),
        '-8', substring(tail(n), 4, 3), '-', substring(tail(n), 5, 12))) AS make_id
SELECT toUUID('{workspace}'), make_id(number), make_id(number - 1), 1 FROM numbers({origins}) WHERE number % 4 = 3
