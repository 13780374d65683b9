"""What is sold and what was bought: products, categories, orders with lines, statuses and returns."""
