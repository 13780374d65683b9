-- One scan, only the events of people in the city (under all their names).
SELECT customer AS id FROM (
    SELECT ifNull(m.customer_id, f.origin_id) AS customer, sum(f.views) AS views, sum(f.orders) AS orders FROM (
        SELECT origin_id,
            countIf(name = 'Product Viewed' AND numbers['price'] > toDecimal128('50', 9)) AS views,
            countIf(name = 'Order Completed' AND occurred_at > {now} - INTERVAL 30 DAY) AS orders
        FROM events
        WHERE workspace_id = {workspace} AND name IN ('Product Viewed', 'Order Completed')
          AND occurred_at > {now} - INTERVAL 90 DAY AND occurred_at <= {now}
          AND origin_id IN (
            SELECT id FROM customers FINAL WHERE workspace_id = {workspace} AND merged_into IS NULL AND city = 'Prague'
            UNION ALL
            SELECT id FROM origins FINAL WHERE workspace_id = {workspace} AND customer_id IN (
                SELECT id FROM customers FINAL WHERE workspace_id = {workspace} AND merged_into IS NULL AND city = 'Prague'))
        GROUP BY origin_id) f
    ANY LEFT JOIN (SELECT id, customer_id FROM origins FINAL WHERE workspace_id = {workspace}) m
      ON m.id = f.origin_id
    GROUP BY customer HAVING views >= 3 AND orders = 0)
