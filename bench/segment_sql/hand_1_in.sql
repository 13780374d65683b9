-- Each condition a set of customers.
SELECT id FROM customers FINAL
WHERE workspace_id = {workspace} AND merged_into IS NULL AND city = 'Prague'
  AND id IN (
    SELECT ifNull(m.customer_id, f.origin_id) AS customer FROM (
        SELECT origin_id, count() AS n FROM events
        WHERE workspace_id = {workspace} AND name = 'Product Viewed' AND occurred_at > {now} - INTERVAL 90 DAY
          AND occurred_at <= {now} AND numbers['price'] > toDecimal128('50', 9)
        GROUP BY origin_id) f
    ANY LEFT JOIN (SELECT id, customer_id FROM origins FINAL WHERE workspace_id = {workspace}) m
      ON m.id = f.origin_id
    GROUP BY customer HAVING sum(n) >= 3)
  AND id NOT IN (
    SELECT ifNull(m.customer_id, f.origin_id) FROM (
        SELECT DISTINCT origin_id FROM events
        WHERE workspace_id = {workspace} AND name = 'Order Completed' AND occurred_at > {now} - INTERVAL 30 DAY
          AND occurred_at <= {now}) f
    ANY LEFT JOIN (SELECT id, customer_id FROM origins FINAL WHERE workspace_id = {workspace}) m
      ON m.id = f.origin_id)
