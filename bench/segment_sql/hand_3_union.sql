-- Facts and people stacked and grouped once.
SELECT customer AS id FROM (
    SELECT id AS customer, 1 AS person, 0 AS views, 0 AS orders FROM customers FINAL
    WHERE workspace_id = {workspace} AND merged_into IS NULL AND city = 'Prague'
    UNION ALL
    SELECT ifNull(m.customer_id, f.origin_id), 0, f.views, f.orders FROM (
        SELECT origin_id,
            countIf(name = 'Product Viewed' AND numbers['price'] > toDecimal128('50', 9)) AS views,
            countIf(name = 'Order Completed' AND occurred_at > {now} - INTERVAL 30 DAY) AS orders
        FROM events
        WHERE workspace_id = {workspace} AND name IN ('Product Viewed', 'Order Completed')
          AND occurred_at > {now} - INTERVAL 90 DAY AND occurred_at <= {now}
        GROUP BY origin_id) f
    ANY LEFT JOIN (SELECT id, customer_id FROM origins FINAL WHERE workspace_id = {workspace}) m
      ON m.id = f.origin_id)
GROUP BY customer HAVING max(person) = 1 AND sum(views) >= 3 AND sum(orders) = 0
