"""HTTP: one file for each group of routes, and the one table that turns errors into statuses."""
